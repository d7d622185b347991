#!/usr/bin/env bash
# Julia 1.5.3 from Debian bullseye, unpacked into the folder $1 (20 s, 67 MB); nothing of the system is changed.
# Then: $1/bin/julia. Bullseye is the last Debian release with a julia; its mirror is the one the system is set up with.
set -euo pipefail
to=$(mkdir -p "$1" && cd "$1" && pwd)
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
[ -n "$mirror" ] || mirror=$(awk '$1=="deb"{for(i=2;i<=NF;i++) if($i ~ /:\/\//){print $i; exit}}' /etc/apt/sources.list)
mkdir -p "$to"/{lists/partial,archives/partial,debs,root,bin}
: > "$to/status"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" > "$to/sources.list"
apt=(apt-get -qq -o Dir::Etc::sourcelist="$to/sources.list" -o Dir::Etc::sourceparts=/nonexistent
     -o Dir::State::lists="$to/lists" -o Dir::State::status="$to/status" -o Dir::Cache="$to" -o Dir::Cache::archives="$to/archives"
     -o APT::Sandbox::User=root -o Acquire::Check-Valid-Until=false -o Acquire::Languages=none)
packages=(
    julia julia-common libjulia1 libllvm9 libedit2 libbsd0 libmd0 libtinfo6 libffi7 libz3-4 liblzma5 zlib1g
    libopenblas0-pthread libgfortran5 libquadmath0 libgomp1 libdsfmt-19937-1 libgmp10 libmpfr6 libopenlibm3 libpcre2-8-0
    libunwind8 libutf8proc2 libamd2 libcamd2 libccolamd2 libcholmod3 libcolamd2 libmetis5 libspqr2
    libsuitesparseconfig5 libumfpack5
)
"${apt[@]}" update
(cd "$to/debs" && "${apt[@]}" download "${packages[@]}")
for deb in "$to"/debs/*.deb; do dpkg-deb -x "$deb" "$to/root"; done
lib="$to/root/usr/lib/x86_64-linux-gnu"
cat > "$to/bin/julia" <<END
#!/bin/sh
export LD_LIBRARY_PATH=$lib:$lib/julia:$to/root/lib/x86_64-linux-gnu:$lib/openblas-pthread
exec $to/root/usr/bin/julia "\$@"
END
chmod +x "$to/bin/julia"
"$to/bin/julia" --version
