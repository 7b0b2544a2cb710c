# From the list of variants (schedules/CMakeLists.txt) to generator programs, kernels and the runtime's tables.

# Halide's names of this platform. Where they are given, the kernels are for another one, whose compiler is not here: build
# the target halnorm_kernels alone (./run package).
set(HALNORM_OS linux CACHE STRING "What the kernels are for: linux, android, ios, osx, windows or noos")
if(HALNORM_ARCH)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(HALNORM_ARCH x86-64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(HALNORM_ARCH arm-64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^arm")
  set(HALNORM_ARCH arm-32)
else()
  message(FATAL_ERROR "CMAKE_SYSTEM_PROCESSOR: was '${CMAKE_SYSTEM_PROCESSOR}', should be x86_64, aarch64 or arm*")
endif()

include(CMakeDependentOption)

option(HALNORM_SMALL
  "Build the small kernels: all variants for processors by generic.cpp, and each activation once (a third of the size)" OFF)
option(HALNORM_GPU "Build the variants for GPUs (without them: a smaller archive)" ON)
set(HALNORM_VARIANTS "" CACHE STRING
  "Build these variants of the list, and generic where none of them always fits (default: all; fewer: a smaller archive)")
# halnorm_parts(NAME HELP PART...): an option that leaves out parts of the library; default: all PARTs.
function(halnorm_parts NAME HELP)
  set(${NAME} "${ARGN}" CACHE STRING "${HELP}")
  foreach(part IN LISTS ${NAME})
    if(NOT part IN_LIST ARGN)
      list(JOIN ARGN " " parts)
      message(FATAL_ERROR "${NAME}: was '${part}', should be of: ${parts}")
    endif()
  endforeach()
  if(NOT ${NAME})
    list(JOIN ARGN " " parts)
    message(FATAL_ERROR "${NAME}: was empty, should be some of: ${parts}")
  endif()
endfunction()
# In the orders of the enumerations in halnorm.h.
set(halnorm_activations none relu relu6 leaky_relu elu sigmoid tanh silu swish hardsigmoid hardswish gelu gelu_tanh softplus mish)
halnorm_parts(HALNORM_ACTIVATIONS "Build kernels with these activations, and none" ${halnorm_activations})
halnorm_parts(HALNORM_DTYPES "Build kernels for these types of data" float32 float64)
halnorm_parts(HALNORM_LAYOUTS "Build kernels for these layouts; rank 2 is NHWC's" NCHW NHWC)
halnorm_parts(HALNORM_PIPELINES "Build these functions and their kernels; training has halnorm_statistics too" inference training backward)

# halnorm_bits(OUT LIST PART...): bit k is set where LIST holds the k-th PART.
function(halnorm_bits OUT LIST)
  set(bits 0)
  set(bit 1)
  foreach(part IN LISTS ARGN)
    if(part IN_LIST ${LIST})
      math(EXPR bits "${bits} | ${bit}")
    endif()
    math(EXPR bit "2 * ${bit}")
  endforeach()
  set(${OUT} ${bits} PARENT_SCOPE)
endfunction()
halnorm_bits(halnorm_activation_bits HALNORM_ACTIVATIONS ${halnorm_activations})
math(EXPR halnorm_activation_bits "${halnorm_activation_bits} | 1")
# Those that normalize contains where a variant has the others apart (ACTIVATE_APART): bound by memory.
set(halnorm_cheap_activations none relu relu6 leaky_relu hardsigmoid hardswish)
if(HALNORM_SMALL)
  set(halnorm_cheap_activations none relu relu6 hardsigmoid)  # one formula: a clamp
endif()
halnorm_bits(halnorm_cheap_bits halnorm_cheap_activations ${halnorm_activations})
math(EXPR halnorm_cheap_bits "${halnorm_cheap_bits} & ${halnorm_activation_bits}")
math(EXPR halnorm_apart_bits "${halnorm_activation_bits} & ~${halnorm_cheap_bits}")
halnorm_bits(halnorm_dtype_bits HALNORM_DTYPES float32 float64)
halnorm_bits(halnorm_layout_bits HALNORM_LAYOUTS NCHW NHWC)

option(HALNORM_KERNELS_APART
  "Make each kernel a target of its own that the archive does not hold: a link picks those it needs (bench/try)" OFF)
set(HALNORM_KERNELS_DIR "" CACHE PATH
  "Take the kernels as they are in this folder, kernels/ of another build with the same variants, and generate none")

if(HALNORM_ARCH STREQUAL x86-64)
  # Whichever it was before, a folder that is configured with HALNORM_SMALL has none.
  cmake_dependent_option(HALNORM_STREAMING
    "Build the kernels with streaming stores and prefetches that the list of variants names (needs LLVM 22)" ON "NOT HALNORM_SMALL" OFF)
endif()

# Stages: those with x and y have a kernel per layout. GpuKernels (runtime/kernels.h) has them in the order of ALL_STAGES.
set(HALNORM_ALL_STAGES shift sums normalize normalize_add activation_gradient gradient_sums input_gradient
  merge batch_coefficients moving_coefficients moving_statistics saved_coefficients parameter_gradients input_coefficients)
set(HALNORM_LAYOUT_STAGES shift sums normalize normalize_add activation_gradient gradient_sums input_gradient)
set(HALNORM_ACTIVATION_STAGES normalize normalize_add activation_gradient gradient_sums input_gradient)
set(halnorm_inference_stages normalize normalize_add moving_coefficients)
set(halnorm_training_stages shift sums merge batch_coefficients normalize normalize_add)
set(halnorm_backward_stages activation_gradient gradient_sums input_gradient
  moving_statistics saved_coefficients parameter_gradients input_coefficients)
set(HALNORM_STAGES "")
foreach(pipeline IN LISTS HALNORM_PIPELINES)
  list(APPEND HALNORM_STAGES ${halnorm_${pipeline}_stages})
endforeach()
list(REMOVE_DUPLICATES HALNORM_STAGES)
# Of variants that have activations apart, where there are any that can be.
set(halnorm_apart_stages "")
if(NOT halnorm_apart_bits EQUAL 0)
  if(NOT HALNORM_PIPELINES STREQUAL backward)
    list(APPEND halnorm_apart_stages activate)
  endif()
  if("backward" IN_LIST HALNORM_PIPELINES)
    list(APPEND halnorm_apart_stages activate_backward)
    list(APPEND HALNORM_STAGES normalize normalize_add)  # whose v it takes
    list(REMOVE_DUPLICATES HALNORM_STAGES)
  endif()
endif()
# Small kernels that the variants for processors have in common, the last one's: over arrays per channel, and a few elements.
set(halnorm_common_stages "")
if(HALNORM_SMALL)
  set(halnorm_common_stages shift merge batch_coefficients moving_coefficients moving_statistics saved_coefficients
    parameter_gradients input_coefficients)
endif()

# Halide's target of a variant on ARCH, and what Halide emits for it.
function(halnorm_target_of ARCH FEATURES TARGET EMIT)
  set(target ${ARCH}-${HALNORM_OS})
  set(emit object)
  foreach(feature IN LISTS FEATURES)
    if(NOT feature STREQUAL neon)  # Halide's default on ARM
      string(APPEND target -${feature})
    endif()
  endforeach()
  if(ARCH STREQUAL arm-32 AND NOT neon IN_LIST FEATURES)
    # Halide's code for it uses 32 registers of VFP, where the platform promises 16 (VFPv3-D16), and no feature limits that.
    # As C++, kernels get what the platform's compiler takes for the baseline.
    string(APPEND target -no_neon)
    set(emit c_source)
  endif()
  if("undefined" IN_LIST HALNORM_SANITIZE AND NOT FEATURES)
    set(emit c_source)  # which the sanitizer sees
  endif()
  set(${TARGET} ${target}-no_asserts-no_bounds_query-no_runtime PARENT_SCOPE)
  set(${EMIT} ${emit} PARENT_SCOPE)
endfunction()

# Stages that have a second kernel with streaming stores where a variant names them, as a stage NAME_streaming.
set(HALNORM_STREAMING_STAGES normalize normalize_add input_gradient)
# Kernels that prefetch where a variant names them.
set(HALNORM_PREFETCH_KERNELS sums_nchw sums_nhwc gradient_sums_nchw gradient_sums_nhwc normalize_nchw normalize_nhwc
  normalize_add_nchw normalize_add_nhwc input_gradient_nchw input_gradient_nhwc)

# halnorm_variant(NAME SCHEDULE FILE [ARCH ...] [FEATURES ...] [STREAMING STAGE...] [PREFETCH STAGE_LAYOUT...]
#                 [DEVICE cuda|opencl] [ACTIVATE_APART] [EXPERIMENTAL])
# The generator program is built for every variant, so that cross builds find all of them; the kernels only where ARCH
# (default: any) is this platform's.
function(halnorm_variant NAME)
  cmake_parse_arguments(PARSE_ARGV 1 arg "ACTIVATE_APART;EXPERIMENTAL" "SCHEDULE;DEVICE"
    "ARCH;FEATURES;STREAMING;PREFETCH")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_SCHEDULE)
    message(FATAL_ERROR "halnorm_variant(${NAME}): should be NAME SCHEDULE FILE [ARCH ...] [FEATURES ...] "
                        "[STREAMING STAGE...] [PREFETCH STAGE_LAYOUT...] [DEVICE cuda|opencl] [ACTIVATE_APART] [EXPERIMENTAL]; "
                        "was not: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(HALNORM_SMALL AND NOT arg_DEVICE)
    set(arg_SCHEDULE generic.cpp)
    set(arg_ACTIVATE_APART TRUE)
    set(arg_STREAMING "")
    set(arg_PREFETCH "")
  endif()
  # What a store put past the cache is not there for the activation, and a device would wait for each kernel.
  if(arg_ACTIVATE_APART AND (arg_DEVICE OR arg_STREAMING MATCHES normalize))
    message(FATAL_ERROR "halnorm_variant(${NAME}): was ACTIVATE_APART, should have neither DEVICE nor STREAMING normalize")
  endif()
  foreach(stage IN LISTS arg_STREAMING)
    if(NOT stage IN_LIST HALNORM_STREAMING_STAGES)
      message(FATAL_ERROR "halnorm_variant(${NAME}): STREAMING was ${stage}, should be of: ${HALNORM_STREAMING_STAGES}")
    endif()
  endforeach()
  foreach(kernel IN LISTS arg_PREFETCH)
    if(NOT kernel IN_LIST HALNORM_PREFETCH_KERNELS)
      message(FATAL_ERROR "halnorm_variant(${NAME}): PREFETCH was ${kernel}, should be of: ${HALNORM_PREFETCH_KERNELS}")
    endif()
  endforeach()

  # Variants that share a schedule share its generator program.
  get_filename_component(schedule ${arg_SCHEDULE} NAME_WE)
  set(generator halnorm_generator_${schedule})
  if(NOT HALNORM_GENERATORS_DIR AND NOT TARGET ${generator})
    add_executable(${generator} ${arg_SCHEDULE})
    target_link_libraries(${generator} PRIVATE halnorm_algorithm)
    target_precompile_headers(${generator} REUSE_FROM halnorm_algorithm)
    set_target_properties(${generator} PROPERTIES
      OUTPUT_NAME ${schedule}
      POSITION_INDEPENDENT_CODE OFF
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/generators$<0:>)  # of all configurations
    add_dependencies(halnorm_generators ${generator})
  elseif(HALNORM_GENERATORS_DIR AND NOT HALNORM_KERNELS_DIR AND NOT EXISTS ${HALNORM_GENERATORS_DIR}/${schedule})
    message(FATAL_ERROR "HALNORM_GENERATORS_DIR: was ${HALNORM_GENERATORS_DIR}, which has no ${schedule}, should be the "
                        "folder generators/ of a build for this machine whose target halnorm_generators is built")
  endif()

  set(in_normalize ${halnorm_activation_bits})
  set(in_activate 0)
  if(arg_ACTIVATE_APART)
    set(in_normalize ${halnorm_cheap_bits})
    set(in_activate ${halnorm_apart_bits})
  endif()
  set(archs x86-64 arm-64 arm-32)
  if(arg_ARCH)
    set(archs ${arg_ARCH})
  endif()
  foreach(arch IN LISTS archs)
    halnorm_target_of(${arch} "${arg_FEATURES}" target emit)
    list(JOIN arg_FEATURES " " features)
    list(JOIN arg_PREFETCH " " prefetch)
    set_property(GLOBAL APPEND PROPERTY HALNORM_VARIANT_LIST
      "  {\"name\": \"${NAME}\", \"arch\": \"${arch}\", \"schedule\": \"${schedule}\", \"features\": \"${features}\", \
\"device\": \"${arg_DEVICE}\", \"target\": \"${target}\", \"emit\": \"${emit}\", \"in_normalize\": ${in_normalize}, \
\"in_activate\": ${in_activate}, \"prefetch\": \"${prefetch}\"}")
  endforeach()

  set_property(GLOBAL APPEND PROPERTY HALNORM_VARIANT_NAMES ${NAME})
  if((arg_ARCH AND NOT HALNORM_ARCH IN_LIST arg_ARCH) OR (arg_DEVICE AND NOT HALNORM_GPU))
    return()
  endif()
  if(HALNORM_VARIANTS AND NOT NAME IN_LIST HALNORM_VARIANTS)
    set(always_fits generic)
    if(HALNORM_ARCH STREQUAL arm-64 AND "arm_neon" IN_LIST HALNORM_VARIANTS)
      set(always_fits arm_neon)  # every 64-bit ARM has it
    endif()
    if(NOT NAME STREQUAL always_fits)
      return()
    endif()
  endif()
  halnorm_target_of(${HALNORM_ARCH} "${arg_FEATURES}" target emit)
  set_property(GLOBAL APPEND PROPERTY HALNORM_VARIANTS ${NAME})
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_SCHEDULE ${schedule})
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_TARGET ${target})
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_EMIT ${emit})
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_FEATURES "${arg_FEATURES}")
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_STREAMING "${arg_STREAMING}")
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_PREFETCH "${arg_PREFETCH}")
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_IN_NORMALIZE ${in_normalize})
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_IN_ACTIVATE ${in_activate})
  if(arg_DEVICE)
    set_property(GLOBAL APPEND PROPERTY HALNORM_DEVICES ${arg_DEVICE})
    set_property(GLOBAL PROPERTY HALNORM_${NAME}_DEVICE ${arg_DEVICE})
  else()
    set_property(GLOBAL PROPERTY HALNORM_${NAME}_DEVICE cpu)
  endif()
  set_property(GLOBAL PROPERTY HALNORM_${NAME}_EXPERIMENTAL $<IF:$<BOOL:${arg_EXPERIMENTAL}>,true,false>)
endfunction()

# One kernel, as a source of `library`: its object or its C++, and its header, which an edited schedule leaves as it was:
# the tables are not compiled again. Of a stage NAME_streaming it is that of NAME, with streaming stores.
function(halnorm_add_kernel LIBRARY KERNEL VARIANT STAGE DTYPE)
  get_property(schedule GLOBAL PROPERTY HALNORM_${VARIANT}_SCHEDULE)
  get_property(target GLOBAL PROPERTY HALNORM_${VARIANT}_TARGET)
  if(HALNORM_GENERATORS_DIR)
    set(generator ${HALNORM_GENERATORS_DIR}/${schedule})
  else()
    set(generator halnorm_generator_${schedule})
  endif()
  set(out ${PROJECT_BINARY_DIR}/kernels)
  if(HALNORM_KERNELS_DIR)
    set(out ${HALNORM_KERNELS_DIR})
    target_include_directories(${LIBRARY} PRIVATE ${out})
  endif()
  # A kernel for a GPU calls what runtime/gpu_*.cpp define. No name without our prefix is left to a linker, so an app may
  # hold another library made with Halide and its runtime.
  get_property(device GLOBAL PROPERTY HALNORM_${VARIANT}_DEVICE)
  set(finish "")
  if(NOT device STREQUAL cpu)
    foreach(name copy_to_device ${device}_device_interface ${device}_initialize_kernels ${device}_run ${device}_finalize_kernels)
      list(APPEND finish --redefine-sym halide_${name}=halnorm_halide_${name})
    endforeach()
    set(finish COMMAND ${CMAKE_OBJCOPY} ${finish} ${out}/${KERNEL}.o)
  endif()
  get_property(emit GLOBAL PROPERTY HALNORM_${VARIANT}_EMIT)
  set(kernel ${out}/${KERNEL}.o)
  if(HALNORM_OS STREQUAL windows)  # where Halide has another word for it
    string(APPEND kernel bj)
  endif()
  set(depends ${generator})
  set(passes ${HALNORM_KERNEL_PASSES})
  get_property(prefetch GLOBAL PROPERTY HALNORM_${VARIANT}_PREFETCH)
  list(TRANSFORM prefetch REPLACE "(.+)" "halnorm_\\1_${DTYPE}__${VARIANT}")
  set(hints FALSE)
  if(STAGE MATCHES "(.+)_streaming$")
    set(STAGE ${CMAKE_MATCH_1})
    list(APPEND ARGN streaming=true)
    set(passes ${HALNORM_STREAMING_KERNEL_PASSES})
    set(hints y)  # to which all of these stages write (generators/stages.h)
    if(KERNEL MATCHES "_nchw_")
      list(APPEND hints --lines)
    endif()
  elseif(HALNORM_STREAMING AND NOT passes AND KERNEL IN_LIST prefetch)
    list(APPEND ARGN prefetch=true)
    set(hints "")
    if(KERNEL MATCHES "sums_nhwc_")  # short rows of NCHW gain nothing
      set(hints --halves)
    endif()
  endif()
  if(NOT hints STREQUAL FALSE)
    set(emit bitcode)
    if(HALNORM_GENERATORS_DIR)
      set(memory_hints ${HALNORM_GENERATORS_DIR}/memory_hints)
    else()
      set(memory_hints halnorm_memory_hints)
    endif()
    set(finish COMMAND ${memory_hints} ${out}/${KERNEL}.bc ${kernel} ${hints})
    list(APPEND depends ${memory_hints})
  elseif(passes AND emit STREQUAL object)
    set(emit bitcode)
    list(PREPEND finish
      COMMAND ${HALNORM_LLC} -O3 -relocation-model=pic -function-sections -filetype=obj ${out}/${KERNEL}.bc -o ${kernel})
  endif()
  if(passes AND emit STREQUAL bitcode)
    if(HALNORM_STRICT_KERNELS)
      list(PREPEND finish
        COMMAND ${HALNORM_OPT} -S ${out}/${KERNEL}.bc -o ${out}/${KERNEL}.ll
        COMMAND sed -i -E "${HALNORM_STRICT_KERNELS}" ${out}/${KERNEL}.ll
        COMMAND ${HALNORM_OPT} ${out}/${KERNEL}.ll -o ${out}/${KERNEL}.bc)
    endif()
    list(PREPEND finish COMMAND ${HALNORM_OPT} ${passes} ${out}/${KERNEL}.bc -o ${out}/${KERNEL}.bc)
  endif()
  # So that its loops lie as they do wherever a linker puts the kernel, and times of two programs, or of both sides of
  # `./run try`, compare: inference of 64x512x6x6 82 us, or 98 from 32 bytes after a line on (AVX2, Zen 5, 2026-11-28).
  if(HALNORM_ARCH STREQUAL x86-64 AND HALNORM_OS STREQUAL linux AND device STREQUAL cpu)
    list(APPEND finish COMMAND ${CMAKE_OBJCOPY} --set-section-alignment .text.${KERNEL}=64 ${kernel})
  endif()
  if(emit STREQUAL c_source)
    set(kernel ${out}/${KERNEL}.halide_generated.cpp)
    # Without what follows the kernel: its description for Halide, which would be variables set at run time.
    set(finish COMMAND sed -i "/^int ${KERNEL}_argv/,/^#ifdef __cplusplus/{/^#ifdef/!d}" ${kernel})
    # Optimized in every kind of build, as Halide's objects are; strict arithmetic is not fused. The code is a machine's, and
    # so are its warnings.
    set_source_files_properties(${kernel} PROPERTIES COMPILE_OPTIONS "-O3;-fno-math-errno;-ffp-contract=off;-w")
  else()
    set_source_files_properties(${kernel} PROPERTIES EXTERNAL_OBJECT ON)
  endif()
  if(HALNORM_KERNELS_DIR)
    target_sources(${LIBRARY} PRIVATE ${kernel})
    return()
  endif()
  set_source_files_properties(${kernel} PROPERTIES GENERATED ON)
  set_property(GLOBAL APPEND PROPERTY HALNORM_KERNEL_FILES ${kernel} ${out}/include/${KERNEL}.h)
  add_custom_command(
    OUTPUT ${kernel} ${out}/include/${KERNEL}.h
    COMMAND ${generator} -g ${STAGE}_${DTYPE} -f ${KERNEL} -o ${out} -e ${emit},c_header target=${target} ${ARGN}
    ${finish}
    COMMAND ${CMAKE_COMMAND} -E copy_if_different ${out}/${KERNEL}.h ${out}/include/${KERNEL}.h
    DEPENDS ${depends}
    COMMENT "Kernel ${KERNEL}"
    VERBATIM)
  if(HALNORM_KERNELS_APART)
    add_custom_target(${KERNEL} DEPENDS ${kernel})
  else()
    target_sources(${LIBRARY} PRIVATE ${kernel} ${out}/include/${KERNEL}.h)
  endif()
endfunction()

# What a table includes to name a kernel: its header. A kernel that stands apart may be absent, so its name is weak, and
# no header is generated for it.
function(halnorm_kernel_declaration KERNEL ROW DTYPE OUT)
  if(HALNORM_KERNELS_APART)
    set(type "std::remove_pointer_t<std::remove_all_extents_t<decltype(halnorm::${ROW}::${DTYPE})>>")
    set(${OUT} "extern \"C\" __attribute__((weak)) ${type} ${KERNEL};\n" PARENT_SCOPE)
  else()
    set(${OUT} "#include \"include/${KERNEL}.h\"\n" PARENT_SCOPE)
  endif()
endfunction()

# The type of a stage's rows in runtime/kernels.h: batch_coefficients gives BatchCoefficientsRow. Streaming kernels have
# the type of the ordinary ones.
function(halnorm_row_type STAGE OUT)
  set(type "")
  string(REGEX REPLACE "_streaming$" "" words ${STAGE})
  string(REPLACE "_" ";" words ${words})
  foreach(word IN LISTS words)
    string(SUBSTRING ${word} 0 1 head)
    string(SUBSTRING ${word} 1 -1 rest)
    string(TOUPPER ${head} head)
    string(APPEND type ${head}${rest})
  endforeach()
  set(${OUT} ${type}Row PARENT_SCOPE)
endfunction()

# variants.json: every line of the list with its targets on all platforms, for tools that run generators by themselves
# (bench/explain).
function(halnorm_write_variant_list)
  get_property(names GLOBAL PROPERTY HALNORM_VARIANT_NAMES)
  foreach(name IN LISTS HALNORM_VARIANTS)
    if(NOT name IN_LIST names)
      message(FATAL_ERROR "HALNORM_VARIANTS: was '${name}', should be of: ${names}")
    endif()
  endforeach()
  get_property(variants GLOBAL PROPERTY HALNORM_VARIANT_LIST)
  list(JOIN variants ",\n" variants)
  file(GENERATE OUTPUT ${PROJECT_BINARY_DIR}/variants.json CONTENT "[\n${variants}\n]\n")
endfunction()

# All kernels of this platform and the tables that name them, as sources of `library`.
function(halnorm_add_kernels LIBRARY)
  get_property(variants GLOBAL PROPERTY HALNORM_VARIANTS)
  set(out ${PROJECT_BINARY_DIR}/kernels)
  file(MAKE_DIRECTORY ${out}/include)
  list(JOIN HALNORM_STAGES "|" stages)
  set(streaming_stages ${HALNORM_STREAMING_STAGES})
  list(FILTER streaming_stages INCLUDE REGEX "^(${stages})$")
  list(TRANSFORM streaming_stages APPEND _streaming)
  set(optional_stages ${streaming_stages} ${halnorm_apart_stages})
  foreach(stage IN LISTS HALNORM_STAGES optional_stages)
    foreach(kind cpu gpu)
      set(includes_${stage}_${kind} "")
      set(rows_${stage}_${kind} "")
    endforeach()
  endforeach()
  set(rows_variants "")
  set(gpu_variants "")
  set(streaming_variants "")
  set(activate_variants "")

  foreach(variant IN LISTS variants)
    get_property(device GLOBAL PROPERTY HALNORM_${variant}_DEVICE)
    if(device STREQUAL cpu)
      set(last_for_cpu ${variant})
    endif()
  endforeach()
  foreach(variant IN LISTS variants)
    get_property(device GLOBAL PROPERTY HALNORM_${variant}_DEVICE)
    if(device STREQUAL cpu)
      set(kind cpu)
      set(other gpu)
    else()
      list(APPEND gpu_variants ${variant})
      set(kind gpu)
      set(other cpu)
    endif()
    set(streaming "")
    if(HALNORM_STREAMING)
      get_property(streaming GLOBAL PROPERTY HALNORM_${variant}_STREAMING)
      list(FILTER streaming INCLUDE REGEX "^(${stages})$")
      list(TRANSFORM streaming APPEND _streaming)
    endif()
    if(streaming)
      list(APPEND streaming_variants ${variant})
    endif()
    set(own_stages ${streaming})
    get_property(in_normalize GLOBAL PROPERTY HALNORM_${variant}_IN_NORMALIZE)
    get_property(in_activate GLOBAL PROPERTY HALNORM_${variant}_IN_ACTIVATE)
    if(in_activate)
      list(APPEND own_stages ${halnorm_apart_stages})
      list(APPEND activate_variants ${variant})
    endif()
    foreach(stage IN LISTS HALNORM_STAGES optional_stages)
      if(stage IN_LIST optional_stages AND NOT stage IN_LIST own_stages)
        string(APPEND rows_${stage}_cpu "    {},\n")
        continue()
      endif()
      set(owner ${variant})
      if(device STREQUAL cpu AND stage IN_LIST halnorm_common_stages)
        set(owner ${last_for_cpu})
      endif()
      halnorm_row_type(${stage} row_type)
      set(row "")
      foreach(dtype f32 f64)
        string(REPLACE f float word ${dtype})
        if(NOT word IN_LIST HALNORM_DTYPES)
          list(APPEND row "{}")
          continue()
        endif()
        set(cells "")
        string(REGEX REPLACE "_streaming$" "" ordinary ${stage})
        set(parameters "")
        if(ordinary MATCHES "^(normalize|normalize_add|activation_gradient)$")
          set(parameters activations=${in_normalize})
        elseif(stage IN_LIST halnorm_apart_stages)
          set(parameters activations=${in_activate})
        elseif(ordinary IN_LIST HALNORM_ACTIVATION_STAGES)
          set(parameters activations=${halnorm_activation_bits})
        endif()
        if(ordinary IN_LIST HALNORM_LAYOUT_STAGES)
          set(layouts ${HALNORM_LAYOUTS})
          foreach(layout NCHW NHWC)
            if(NOT layout IN_LIST layouts)
              list(APPEND cells nullptr)
              continue()
            endif()
            string(TOLOWER ${layout} layout)
            set(kernel halnorm_${stage}_${layout}_${dtype}__${owner})
            if(owner STREQUAL variant)
              halnorm_add_kernel(${LIBRARY} ${kernel} ${variant} ${stage} ${dtype} layout=${layout} ${parameters})
            endif()
            list(APPEND cells ${kernel})
          endforeach()
        else()
          set(kernel halnorm_${stage}_${dtype}__${owner})
          if(owner STREQUAL variant)
            halnorm_add_kernel(${LIBRARY} ${kernel} ${variant} ${stage} ${dtype} ${parameters})
          endif()
          list(APPEND cells ${kernel})
        endif()
        foreach(kernel IN LISTS cells)
          if(kernel STREQUAL nullptr)
            continue()
          endif()
          halnorm_kernel_declaration(${kernel} ${row_type} ${dtype} declaration)
          string(APPEND includes_${stage}_${kind} "${declaration}")
        endforeach()
        list(JOIN cells ", " cells)
        if(ordinary IN_LIST HALNORM_LAYOUT_STAGES)
          set(cells "{${cells}}")
        endif()
        list(APPEND row "${cells}")
      endforeach()
      list(JOIN row ", " row)
      string(APPEND rows_${stage}_${kind} "    {${row}},\n")
      string(APPEND rows_${stage}_${other} "    {},\n")
    endforeach()

    get_property(features GLOBAL PROPERTY HALNORM_${variant}_FEATURES)
    get_property(experimental GLOBAL PROPERTY HALNORM_${variant}_EXPERIMENTAL)
    list(JOIN features " " features)
    string(APPEND rows_variants
      "    {\"${variant}\", \"${HALNORM_ARCH}\", \"${features}\", ${experimental}, VariantDevice::${device}, $<IF:$<BOOL:${streaming}>,true,false>},\n")
  endforeach()

  # Rows are in the order of the variants in all tables. GPU kernels are in tables of their own, and all of these behind
  # one name, which only halnorm_enable_gpu refers to. A kernel whose signature is not the one that runtime/kernels.h
  # declares does not compile here.
  set(gpu_tables "")
  set(gpu_definitions "")
  set(gpu_includes "")
  foreach(stage IN LISTS HALNORM_ALL_STAGES)
    if(NOT stage IN_LIST HALNORM_STAGES)
      list(APPEND gpu_tables nullptr)
      continue()
    endif()
    halnorm_row_type(${stage} row_type)
    string(APPEND gpu_includes "${includes_${stage}_gpu}")
    string(APPEND gpu_definitions "const ${row_type} gpu_${stage}[] = {\n${rows_${stage}_gpu}};\n")
    list(APPEND gpu_tables gpu_${stage})
  endforeach()
  foreach(stage IN LISTS HALNORM_STAGES optional_stages)
    halnorm_row_type(${stage} row_type)
    file(GENERATE OUTPUT ${out}/${stage}_table.cpp CONTENT
"// Generated from schedules/CMakeLists.txt.
#include \"kernels.h\"

#include <type_traits>

${includes_${stage}_cpu}
namespace halnorm {
const ${row_type} ${stage}_kernels[] = {
${rows_${stage}_cpu}};
}  // namespace halnorm
")
    target_sources(${LIBRARY} PRIVATE ${out}/${stage}_table.cpp)
  endforeach()
  list(JOIN gpu_tables ", " gpu_tables)
  file(GENERATE OUTPUT ${out}/gpu_table.cpp CONTENT
"// Generated from schedules/CMakeLists.txt.
#include \"kernels.h\"

${gpu_includes}
namespace halnorm {
namespace {
${gpu_definitions}}  // namespace
const GpuKernels gpu_kernels = {${gpu_tables}};
}  // namespace halnorm
")
  target_sources(${LIBRARY} PRIVATE ${out}/gpu_table.cpp)
  list(LENGTH variants count)
  file(GENERATE OUTPUT ${out}/variants_table.cpp CONTENT
"// Generated from schedules/CMakeLists.txt.
#include \"dispatch.h\"

namespace halnorm {
const Variant variants[] = {
${rows_variants}};
const int32_t variant_count = ${count};
}  // namespace halnorm
")
  target_sources(${LIBRARY} PRIVATE ${out}/variants_table.cpp)

  # What the runtime has to know of its kernels. They bring it along to whoever compiles the runtime.
  list(LENGTH gpu_variants gpu_count)
  list(LENGTH streaming_variants streaming_count)
  list(LENGTH activate_variants activate_count)
  file(GENERATE OUTPUT ${out}/include/built.h CONTENT
"// Generated from schedules/CMakeLists.txt and the options of the build: what kernels there are.
#pragma once

#include <stdint.h>

namespace halnorm {
namespace built {

// Bit k is halnorm_activation k, halnorm_dtype k, KernelLayout k. Of the activations those that normalize and
// activation_gradient do not contain where a variant has them apart.
constexpr uint32_t activations = ${halnorm_activation_bits}, apart = ${halnorm_apart_bits}, dtypes = ${halnorm_dtype_bits}, layouts = ${halnorm_layout_bits};

// Whether any variant is for a GPU, has kernels whose stores go past the cache, has activations apart.
constexpr bool gpu = ${gpu_count} > 0, streaming = ${streaming_count} > 0, activate = ${activate_count} > 0;

}  // namespace built
}  // namespace halnorm
")
  target_include_directories(halnorm_internals INTERFACE ${out}/include)
  get_property(files GLOBAL PROPERTY HALNORM_KERNEL_FILES)
  add_custom_target(halnorm_kernels DEPENDS ${files})
endfunction()
