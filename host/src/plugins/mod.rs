//! Engine, manifest, grants, limits, compiled-code cache.
