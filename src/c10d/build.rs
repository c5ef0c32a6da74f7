//! Compiles `shim.cpp` against the headers of the libtorch that torch-sys links with.

use std::path::PathBuf;

fn main() {
    println!("cargo:rerun-if-changed=shim.cpp");
    println!("cargo:rerun-if-changed=gloo");
    // The same variables, in the same order, as in torch-sys.
    let include = from_env("LIBTORCH_INCLUDE")
        .or_else(|| from_env("LIBTORCH"))
        .unwrap_or_else(|| "/usr".to_owned());
    let include = PathBuf::from(include).join("include");
    let abi = from_env("LIBTORCH_CXX11_ABI").unwrap_or_else(|| "1".to_owned());
    let header = include.join("torch/csrc/distributed/c10d/ProcessGroupGloo.hpp");
    if !header.exists() {
        println!(
            "cargo::error={}: not there; set LIBTORCH to the folder of libtorch 2.11, as \
             `make setup` does",
            header.display()
        );
        return;
    }
    // For this package's tests; the program has its own.
    if let Some(lib) = from_env("LIBTORCH").map(|dir| PathBuf::from(dir).join("lib"))
        && let Ok(lib) = lib.canonicalize()
    {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        .warnings(false)
        // Calls are passed on; half of the compiler's time would go into inlined headers.
        .opt_level(0)
        .debug(false)
        .define("_GLIBCXX_USE_CXX11_ABI", &*abi)
        .define("USE_C10D_GLOO", None)
        .include(".")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .file("shim.cpp")
        .compile("l3net_c10d");
}

fn from_env(name: &str) -> Option<String> {
    println!("cargo:rerun-if-env-changed={name}");
    std::env::var(name).ok()
}
