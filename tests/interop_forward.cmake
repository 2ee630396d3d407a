# Forward against FluentServer of the Fluent organisation's npm package: needs nodejs, npm, openssl and the registry.
add_executable(forward_send ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/send.c)
target_link_libraries(forward_send PRIVATE weir_collector)
set(forward_folder ${CMAKE_CURRENT_BINARY_DIR}/interop_forward)
add_test(NAME interop.forward COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/run.sh
  $<TARGET_FILE:forward_send> ${forward_folder})
if(TARGET weir)
  add_test(NAME interop.forward-daemon COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/run.sh
    $<TARGET_FILE:weir> ${forward_folder} daemon.js)
  add_test(NAME interop.forward-source COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/forward/run.sh
    $<TARGET_FILE:weir> ${forward_folder} source.js)
  set(forward_daemon interop.forward-daemon interop.forward-source)
endif()
set_tests_properties(interop.forward ${forward_daemon} PROPERTIES LABELS interop TIMEOUT 180 RESOURCE_LOCK forward FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
