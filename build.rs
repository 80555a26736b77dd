//! Build script of the binding crate: tells the linker about Node's symbols.

fn main() {
    napi_build::setup();
}
