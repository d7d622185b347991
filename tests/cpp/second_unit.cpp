// The header may be part of several units of one program.
#include <chreode.hpp>

int also_includes_the_header();

int also_includes_the_header() { return static_cast<int>(chreode_abi_version()); }
