# Notes which compiled library the package uses: `CHREODE_LIBRARY` if the environment has it, else the one that is built here from
# the repository that the package lies in, by cargo.

using Libdl: dlext

library = get(ENV, "CHREODE_LIBRARY", "")
if isempty(library)
    root = dirname(dirname(dirname(@__DIR__)))
    isfile(joinpath(root, "Cargo.toml")) ||
        error(
            "$root is not chreode's repository: set CHREODE_LIBRARY to the file of the library",
        )
    run(Cmd(`cargo build --release --locked --lib`; dir = root))
    target = joinpath(root, get(ENV, "CARGO_TARGET_DIR", "target"))
    library = joinpath(
        target,
        "release",
        (Sys.iswindows() ? "" : "lib") * "chreode." * dlext,
    )
end
library = abspath(library)
isfile(library) || error("there is no $library")
write(joinpath(@__DIR__, "library.txt"), library)
