# 32-bit ARM Linux (ARMv7, hard float) with Debian's cross compiler (package g++-arm-linux-gnueabihf).

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7)

set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)

# Libraries come from the target's own root or not at all: one of the build machine must not be found.
set(CMAKE_FIND_ROOT_PATH /usr/arm-linux-gnueabihf)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
# CLI11 and nlohmann_json are headers only, the same for every platform, in the build machine's /usr/share/cmake and
# /usr/include; Debian's cross compiler searches the latter by itself, after its own folders.
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)

# Lets CMake and ctest run what was built; a build without the emulator is fine.
find_program(HALNORM_QEMU_ARM qemu-arm)
mark_as_advanced(HALNORM_QEMU_ARM)
if(HALNORM_QEMU_ARM)
  set(CMAKE_CROSSCOMPILING_EMULATOR "${HALNORM_QEMU_ARM};-L;/usr/arm-linux-gnueabihf")
endif()
