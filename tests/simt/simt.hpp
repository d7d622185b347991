// CUDA kernels on the CPU, for tests: what cuda/device.cuh includes where g++ compiles it with -DCHREODE_SIMT.
//
// Each CUDA thread is a fiber; the blocks of a grid run one after another. What would be undefined on a device ends the
// launch with a `Fault` that tells the kernel, the block, the thread and what it did: barriers and warp primitives that
// not all threads reach, shared memory out of range or never written, memory that is raced for. See machine.hpp and
// watch.hpp.
#pragma once

#include "language.hpp"
#include "fiber.hpp"
#include "machine.hpp"
#include "shared.hpp"
#include "global.hpp"
#include "synchronise.hpp"
#include "atomics.hpp"
#include "arithmetic.hpp"
