//! Links the binary for a fixed address. The tables of the APIs are full of pointers; a position-independent binary has to
//! correct each of them at every start, which takes 4 MiB of memory and a millisecond whether they are used or not.

#[expect(clippy::disallowed_methods, reason = "this is how Cargo tells a build script what the target is")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bins=-no-pie");
    }
}
