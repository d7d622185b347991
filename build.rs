//! Gives the shared library a name with the number of its binary interface, which a plain cdylib lacks: a program that was
//! linked with one number is never started with another.

use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=include/abi.txt");
    let listed = fs::read_to_string("include/abi.txt").expect("include/abi.txt belongs to the crate");
    let number =
        listed.lines().find_map(|line| line.strip_prefix("abi ")).expect("include/abi.txt tells the number");
    let name = match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos" | "ios") => format!("-Wl,-install_name,@rpath/libchreode.{number}.dylib"),
        // The name of a DLL is that of its file.
        Ok("windows") => return,
        _ => format!("-Wl,-soname,libchreode.so.{number}"),
    };
    println!("cargo::rustc-cdylib-link-arg={name}");
}
