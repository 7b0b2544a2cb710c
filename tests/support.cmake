# What the tests, the fuzzers and ./run try share: calls, the reference, memory that notices who writes beside it.
set(halnorm_test_support_sources
  backward_call.cpp
  call.cpp
  memory.cpp
  reference.cpp
  reference_activations.cpp
  tensor.cpp
  variants.cpp
)
list(TRANSFORM halnorm_test_support_sources PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
