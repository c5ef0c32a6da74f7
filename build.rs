//! Lets the binary find libtorch from any folder: an rpath to the very folder
//! that torch-sys links with. `LD_LIBRARY_PATH` goes before it.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    let Ok(libtorch) = std::env::var("LIBTORCH") else {
        return;
    };
    if let Ok(lib) = std::path::Path::new(&libtorch).join("lib").canonicalize() {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
