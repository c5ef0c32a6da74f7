//! Lets the binary find libtorch from any folder. `LD_LIBRARY_PATH` goes before.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    // `make install` puts the libraries here; a build folder has no such place.
    println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../lib");
    // The very folder that torch-sys links with.
    let lib = std::env::var("LIBTORCH").ok().and_then(|libtorch| {
        std::path::Path::new(&libtorch)
            .join("lib")
            .canonicalize()
            .ok()
    });
    if let Some(lib) = lib {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
