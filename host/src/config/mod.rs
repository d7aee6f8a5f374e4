//! orchestrator.toml -> typed, validated values.
