# Real exporters and senders against the real program: network-only (exporters) and endpoint + flow (senders).
if(TARGET weir)
  foreach(variant softflowd-5 softflowd-9 softflowd-10 softflowd-10b nfprobe-9 nfprobe-10)
    add_test(NAME interop.${variant}
      COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/exporters.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    list(APPEND interop_tests interop.${variant})
  endforeach()
  foreach(variant rsyslog-udp rsyslog-tcp rsyslog-octets rsyslog-tls syslog-ng-udp syslog-ng-tcp syslog-ng-octets syslog-ng-tls)
    add_test(NAME interop.${variant}
      COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/senders.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    list(APPEND interop_tests interop.${variant})
  endforeach()
  foreach(variant kept beside own)
    add_test(NAME interop.tee-${variant}
      COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/tee.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    set_tests_properties(interop.tee-${variant} PROPERTIES SKIP_RETURN_CODE 77)
    list(APPEND interop_tests interop.tee-${variant})
  endforeach()
  foreach(variant file rsyslog)
    add_test(NAME interop.audit-${variant}
      COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/interop/audit.sh ${variant} $<TARGET_FILE:weir> ${CMAKE_SOURCE_DIR})
    list(APPEND interop_tests interop.audit-${variant})
  endforeach()
  set_tests_properties(${interop_tests} PROPERTIES LABELS interop TIMEOUT 120
    RESOURCE_LOCK exporter ENVIRONMENT "WEIR_SYSLOG_NG=${CMAKE_SOURCE_DIR}/build/syslog-ng" FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}")
endif()
