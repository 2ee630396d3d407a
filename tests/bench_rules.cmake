# Figures, not a test: run it by hand from a release build (tests/bench/bench_rules.c says how).
add_executable(bench_rules ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_rules.c)
target_link_libraries(bench_rules PRIVATE weir_rules)
add_executable(bench_ruleset ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_ruleset.c)
target_link_libraries(bench_ruleset PRIVATE weir_rules)
