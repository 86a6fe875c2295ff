# find_package(vmamba) for C++ users: targets vmamba::headers, vmamba::vmamba_cpu, ...
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vmamba")
install(DIRECTORY include/vmamba DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS vmamba_headers EXPORT vmambaTargets)
install(EXPORT vmambaTargets NAMESPACE vmamba:: DESTINATION "${package_dir}")
configure_package_config_file(cmake/vmambaConfig.cmake.in "${PROJECT_BINARY_DIR}/vmambaConfig.cmake"
                              INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/vmambaConfigVersion.cmake"
                                 COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/vmambaConfig.cmake"
              "${PROJECT_BINARY_DIR}/vmambaConfigVersion.cmake" DESTINATION "${package_dir}")
