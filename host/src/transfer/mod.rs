//! The data plane: COPY, compression, checksums, storage; bounded and parallel.
