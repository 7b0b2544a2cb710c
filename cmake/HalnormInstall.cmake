# What other projects see: halnorm::halnorm, as a subproject, by find_package(halnorm) or by pkg-config. The installed
# tree can be moved: nothing in it names a folder of this build.
add_library(halnorm::halnorm ALIAS halnorm)
if(NOT HALNORM_INSTALL)
  return()
endif()
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(HALNORM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/halnorm)
set(HALNORM_PKGCONFIG_DIR ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS halnorm
  EXPORT halnorm
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
  FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(EXPORT halnorm
  NAMESPACE halnorm::
  FILE halnorm-targets.cmake
  DESTINATION ${HALNORM_CMAKE_DIR}
  COMPONENT library)

configure_package_config_file(cmake/halnorm-config.cmake.in halnorm-config.cmake
  INSTALL_DESTINATION ${HALNORM_CMAKE_DIR}
  NO_SET_AND_CHECK_MACRO)
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(halnorm-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/halnorm-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/halnorm-config-version.cmake
  DESTINATION ${HALNORM_CMAKE_DIR}
  COMPONENT library)

# pkg-config has a word for the folder that a .pc file was found in, so that the prefix need not be written down, unless
# the folders have been given as absolute ones.
set(HALNORM_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  file(RELATIVE_PATH prefix /prefix/${HALNORM_PKGCONFIG_DIR} /prefix)
  string(REGEX REPLACE "/$" "" HALNORM_PC_PREFIX "\${pcfiledir}/${prefix}")
endif()
foreach(dir INCLUDEDIR LIBDIR)
  set(HALNORM_PC_${dir} ${CMAKE_INSTALL_${dir}})
  if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
    string(PREPEND HALNORM_PC_${dir} "\${prefix}/")
  endif()
endforeach()
get_target_property(libraries halnorm INTERFACE_LINK_LIBRARIES)
set(HALNORM_LINK_OPTIONS "")
foreach(library IN LISTS libraries)
  if(library STREQUAL Threads::Threads)
    string(APPEND HALNORM_LINK_OPTIONS " -pthread")
  elseif(library MATCHES "^[a-z]+$")
    string(APPEND HALNORM_LINK_OPTIONS " -l${library}")
  elseif(library)
    message(FATAL_ERROR "halnorm links ${library}: say here how pkg-config should spell it")
  endif()
endforeach()
configure_file(cmake/halnorm.pc.in halnorm.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/halnorm.pc DESTINATION ${HALNORM_PKGCONFIG_DIR} COMPONENT library)

install(FILES LICENSE docs/semantics.md DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT library)
