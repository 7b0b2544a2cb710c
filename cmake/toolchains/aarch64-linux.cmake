# 64-bit ARM Linux with Debian's cross compiler (package g++-aarch64-linux-gnu).

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

# Libraries come from the target's own root or not at all: one of the build machine must not be found.
set(CMAKE_FIND_ROOT_PATH /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# CLI11 and nlohmann_json are headers only, the same for every platform, in the build machine's /usr/share/cmake and
# /usr/include; Debian's cross compiler searches the latter by itself, after its own folders.
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)

# Lets CMake and ctest run what was built; a build without the emulator is fine.
find_program(HALNORM_QEMU_AARCH64 qemu-aarch64)
mark_as_advanced(HALNORM_QEMU_AARCH64)
if(HALNORM_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${HALNORM_QEMU_AARCH64};-L;/usr/aarch64-linux-gnu")
endif()
