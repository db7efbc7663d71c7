//! The program that runs on the machine being installed.

fn main() -> std::process::ExitCode {
    hatchery::installer::main()
}
