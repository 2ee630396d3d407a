# Programs for measuring; built with everything else so that none rots, run by hand or by tests/bench/*.sh.
foreach(name flowgen nullrecv)
  add_executable(${name} bench/${name}.c)
  target_link_libraries(${name} PRIVATE weir_base)
endforeach()
add_test(NAME bench.flowgen COMMAND flowgen --port 9 --rate 20000 --seconds 0.1)
set_tests_properties(bench.flowgen PROPERTIES LABELS bench PASS_REGULAR_EXPRESSION "records=[1-9]")
