# Part of the build and of each kit.
include(CheckCXXCompilerFlag)

# Atomics of TARGET in its own code: on AArch64 the compiler's functions for them bring a static constructor, and 0.3 KB.
function(halnorm_inline_atomics TARGET)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)")
    check_cxx_compiler_flag(-mno-outline-atomics HALNORM_HAS_NO_OUTLINE_ATOMICS)
    if(HALNORM_HAS_NO_OUTLINE_ATOMICS)
      target_compile_options(${TARGET} PRIVATE -mno-outline-atomics)
    endif()
  endif()
endfunction()
