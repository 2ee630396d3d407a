# Time to decode flow records from memory: built with the tests, run by hand (tests/bench/bench_flow.c says how).
add_executable(bench_flow ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_flow.c)
target_link_libraries(bench_flow PRIVATE weir_parsers)
