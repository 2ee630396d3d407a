# Programs for measuring (what each prints: its first lines); built with everything else so that none rots, run by hand from a
# release build or by tests/bench/*.sh. What ctest runs of them has the machine for itself.
foreach(program flowgen:base loggen:base nullrecv:base bench_conn:parsers bench_flow:parsers bench_log:parsers bench_rules:rules
    bench_ruleset:rules bench_snapshot:collector)
  string(REGEX MATCH "^[^:]+" name ${program})
  string(REGEX MATCH "[^:]+$" layer ${program})
  if(TARGET weir_${layer})
    add_executable(${name} bench/${name}.c)
    target_link_libraries(${name} PRIVATE weir_${layer})
  endif()
endforeach()
target_sources(bench_log PRIVATE bench/rival_json.cc)
add_test(NAME bench.flowgen COMMAND flowgen --port 9 --rate 20000 --seconds 0.1)
set_tests_properties(bench.flowgen PROPERTIES LABELS bench RUN_SERIAL ON PASS_REGULAR_EXPRESSION "records=[1-9]")
if(TARGET weir)
  add_test(NAME bench.flows COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/bench/flows/run.py --quick --build ${CMAKE_BINARY_DIR})
  add_test(NAME bench.syslog COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/bench/syslog.sh ${CMAKE_BINARY_DIR} 2000 1 quick)
  set_tests_properties(bench.syslog PROPERTIES LABELS bench TIMEOUT 120 PASS_REGULAR_EXPRESSION "weir  *[1-9]" FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}|not [0-9]")
  add_test(NAME bench.query COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/bench/query.py --quick --build ${CMAKE_BINARY_DIR})
  add_test(NAME bench.engine COMMAND python3 ${CMAKE_CURRENT_SOURCE_DIR}/bench/engine.py --quick --build ${CMAKE_BINARY_DIR})
  set_tests_properties(bench.engine PROPERTIES LABELS bench RUN_SERIAL ON DEPENDS bench.query TIMEOUT 120 SKIP_RETURN_CODE 77
    PASS_REGULAR_EXPRESSION "filter: .* times as fast")
  add_test(NAME bench.json COMMAND bench_log narrow simdjson)
  set_tests_properties(bench.json PROPERTIES LABELS bench PASS_REGULAR_EXPRESSION "times as fast")
  set_tests_properties(bench.query PROPERTIES LABELS bench RUN_SERIAL ON TIMEOUT 240 SKIP_RETURN_CODE 77
    FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}|Traceback|answers differ")
  set_tests_properties(bench.flows PROPERTIES LABELS bench RUN_SERIAL ON TIMEOUT 240 FAIL_REGULAR_EXPRESSION "${FAIL_TEXT}|Traceback")
endif()
