# HALNORM_SANITIZE: the library, its program and the tests under clang's sanitizers; generators stay as they are.
#
# Kernels are Halide's bitcode with the checks of LLVM's own passes: after all optimization, so of the accesses that
# remain in what is shipped. Halide 21 has features of these names, which do less: `asan` leaves calls of halide_free, which
# no_runtime does not define; `tsan` does not see vectors of 32 bytes or more; `msan` instruments nothing, it only declares
# outputs as written. `undefined` is about C and C++: the kernels of generic are then C++ (others have no such checks).
set(HALNORM_SANITIZE "" CACHE STRING "Build with sanitizers: address, undefined, thread, memory or address;undefined")
set_property(CACHE HALNORM_SANITIZE PROPERTY STRINGS "" address undefined thread memory "address;undefined")

# For targets of this folder and of those below it that are added from here on. The first report ends a program.
macro(halnorm_sanitize)
  if(HALNORM_SANITIZE)
    list(JOIN HALNORM_SANITIZE "," sanitizers)
    # `function` wants a driver's functions, found by dlsym, to have our types for the pointers that mean nothing to us.
    add_compile_options(-fsanitize=${sanitizers} -fno-sanitize=function -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${sanitizers})
  endif()
endmacro()

# What opt does to the bitcode of a kernel: empty if nothing.
set(HALNORM_KERNEL_PASSES "")
set(HALNORM_STREAMING_KERNEL_PASSES "")
set(HALNORM_STRICT_KERNELS "")
if(NOT HALNORM_SANITIZE)
  return()
endif()

if(NOT HALNORM_SANITIZE MATCHES "^(address|undefined|thread|memory|address;undefined)$")
  message(FATAL_ERROR "HALNORM_SANITIZE: was '${HALNORM_SANITIZE}', should be address, undefined, thread, memory or "
                      "address;undefined")
endif()
# gcc has no `memory`, and the passes' checks are those that the runtime of the same LLVM serves.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL Clang OR NOT CMAKE_C_COMPILER_ID STREQUAL Clang)
  message(FATAL_ERROR "HALNORM_SANITIZE: the compilers were ${CMAKE_C_COMPILER_ID} and ${CMAKE_CXX_COMPILER_ID}, should be "
                      "Clang (-DCMAKE_C_COMPILER=clang-22 -DCMAKE_CXX_COMPILER=clang++-22)")
endif()

if("address" IN_LIST HALNORM_SANITIZE)
  set(HALNORM_KERNEL_PASSES -force-attribute=sanitize_address -passes=forceattrs,asan)
elseif(HALNORM_SANITIZE STREQUAL memory)
  set(HALNORM_KERNEL_PASSES -force-attribute=sanitize_memory -passes=forceattrs,msan)
elseif(HALNORM_SANITIZE STREQUAL thread)
  # The pass leaves out what is wider than 16 bytes, so vectors are taken apart first. Streaming stores have to stay whole
  # (generators/memory_hints.cpp): their kernels are seen up to 16 bytes.
  set(HALNORM_KERNEL_PASSES
    -force-attribute=sanitize_thread "-passes=forceattrs,function(scalarizer<load-store>),tsan-module,function(tsan)")
  set(HALNORM_STREAMING_KERNEL_PASSES -force-attribute=sanitize_thread "-passes=forceattrs,tsan-module,function(tsan)")
  # Of scalars, unlike of the vectors that are shipped, llc takes sums apart where fast math allows it: differences from the
  # mean lost their digits.
  set(HALNORM_STRICT_KERNELS
    "s/ (fast|reassoc|nnan|ninf|nsz|arcp|contract|afn)\\b//g\;s/\"[a-z-]+-fp-math\"=\"[a-z]+\"//g")
endif()
if(HALNORM_KERNEL_PASSES)
  string(REGEX MATCH "^[0-9]+" llvm ${CMAKE_CXX_COMPILER_VERSION})
  find_program(HALNORM_OPT opt-${llvm} DOC "LLVM's opt, of the compiler's version (Debian: llvm-${llvm})" REQUIRED)
  find_program(HALNORM_LLC llc-${llvm} DOC "LLVM's llc, likewise" REQUIRED)
  if(NOT HALNORM_STREAMING_KERNEL_PASSES)
    set(HALNORM_STREAMING_KERNEL_PASSES ${HALNORM_KERNEL_PASSES})
  endif()
endif()
