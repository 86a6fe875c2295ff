# vmamba_static(<target> <source>...)          a position-independent library of this project
# vmamba_shared(<target> <version-script> <source>...)   lib<target>.so that exports what the script names

# Warnings and sanitizers for one target; nvcc passes them on to the host compiler.
function(vmamba_compile_options target)
  set(warnings -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wcast-align)
  if(VMAMBA_WERROR)
    list(APPEND warnings -Werror)
  endif()
  list(JOIN warnings "," forwarded)
  target_compile_options(
    ${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${warnings};-Wpedantic>"
                      "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=${forwarded}>")
  if(VMAMBA_SANITIZE)
    set(sanitizers -fsanitize=address,undefined -fno-omit-frame-pointer)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${sanitizers}>")
    target_link_options(${target} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

function(vmamba_static target)
  add_library(${target} STATIC ${ARGN})
  target_link_libraries(${target} PUBLIC vmamba_headers)
  vmamba_compile_options(${target})
endfunction()

function(vmamba_shared target version_script)
  cmake_path(ABSOLUTE_PATH version_script NORMALIZE)
  add_library(${target} SHARED ${ARGN})
  target_link_libraries(${target} PUBLIC vmamba_headers)
  # Never unloaded: ONNX Runtime opens and closes the library with each session, and each load of a
  # C++ library that is linked in costs 73 kB for exceptions, which nobody gives back.
  target_link_options(${target} PRIVATE "LINKER:--version-script=${version_script}"
                      "LINKER:--gc-sections" "LINKER:-z,nodelete")
  if(NOT VMAMBA_SANITIZE) # the sanitizers' symbols come from the program
    target_link_options(${target} PRIVATE "LINKER:--no-undefined")
  endif()
  set_target_properties(${target} PROPERTIES LINK_DEPENDS "${version_script}")
  vmamba_compile_options(${target})
  install(TARGETS ${target} EXPORT vmambaTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
endfunction()
