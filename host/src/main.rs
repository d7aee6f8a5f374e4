//! The `orchestrator` program; all of it is in the library.

fn main() -> std::process::ExitCode {
    orchestrator::cli::main()
}
