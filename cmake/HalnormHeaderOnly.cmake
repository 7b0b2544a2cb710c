# Libraries that are headers alone: a cross build uses those of the build machine. Their folder (/usr/include) also holds
# the build machine's C library, which a cross compiler must not read, so a folder of links offers them alone.

# halnorm_use_headers(TARGET LIBRARY FOLDER): TARGET sees LIBRARY's headers, which lie in FOLDER of its include directory.
function(halnorm_use_headers TARGET LIBRARY FOLDER)
  set(links "${PROJECT_BINARY_DIR}/header_only/${FOLDER}")
  file(MAKE_DIRECTORY "${links}")
  get_target_property(include_dirs ${LIBRARY} INTERFACE_INCLUDE_DIRECTORIES)
  list(GET include_dirs 0 include_dir)
  file(CREATE_LINK "${include_dir}/${FOLDER}" "${links}/${FOLDER}" SYMBOLIC)
  target_include_directories(${TARGET} SYSTEM PRIVATE "${links}")
endfunction()
