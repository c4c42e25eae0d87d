# Tests beyond the floors' own: the tree itself, and real daemons.
add_custom_target(unit_tests)
foreach(floor base runtime ring storage membership replication repair api)
  if(TARGET test_${floor})
    add_dependencies(unit_tests test_${floor})
  endif()
endforeach()

add_executable(test_tidy tests/tidy/tidy_test.cpp tests/catch_main.cpp)
target_include_directories(test_tidy PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_definitions(test_tidy PRIVATE PARLEY_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
add_test(NAME tidy COMMAND test_tidy)

# What a program links against that uses the client library.
set(PARLEY_CLIENT_LINK
    "-L${PROJECT_BINARY_DIR} -lparley_api -lparley_repair -lparley_replication -lparley_membership \
-lparley_storage -lparley_ring -lparley_runtime -lparley_base -lcapnp-rpc -lcapnp -lkj-http \
-lkj-async -lkj -lxxhash -lcrypto -lspdlog -lfmt -lsqlite3 -lpthread")

# Archives of a sanitizer build want its runtime.
if(PARLEY_ASAN)
  string(APPEND PARLEY_CLIENT_LINK " -fsanitize=address,undefined")
elseif(PARLEY_TSAN)
  string(APPEND PARLEY_CLIENT_LINK " -fsanitize=thread")
endif()

# One ctest test a scenario, so that they run beside each other and fail by name.
function(parley_process_tests)
  file(GLOB sources CONFIGURE_DEPENDS tests/process/*.cpp)
  add_executable(test_process ${sources} tests/catch_main.cpp tools/demo/traffic.cpp)
  target_link_libraries(test_process PRIVATE parley_local nlohmann_json::nlohmann_json)
  target_compile_definitions(test_process PRIVATE
    PARLEY_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    PARLEY_TEST_OUTPUT="${PROJECT_BINARY_DIR}/test-output"
    PARLEY_EXAMPLE_LINK="${PARLEY_CLIENT_LINK}")
  add_dependencies(test_process parleyd parley parley-demo)
  foreach(source ${sources})
    get_filename_component(stem ${source} NAME_WE)
    if(stem MATCHES "^(.*)_test$")
      set(tag ${CMAKE_MATCH_1})
      add_test(NAME process.${tag} COMMAND test_process "[${tag}]")
      set_tests_properties(process.${tag} PROPERTIES TIMEOUT 400)
    endif()
  endforeach()
endfunction()
parley_process_tests()

# The archive beside the shared library that a target stands for; so both are of one version.
function(parley_archive_of out target name)
  get_target_property(shared ${target} LOCATION)
  get_filename_component(folder "${shared}" DIRECTORY)
  unset(found)  # a caller's variable of this name would be taken for the answer
  find_library(found lib${name}.a PATHS ${folder} NO_DEFAULT_PATH NO_CACHE)
  set(${out} ${found} PARENT_SCOPE)
endfunction()

# Much of a run is the processor waiting for code and for small objects (decision 16): the libraries
# are linked as archives, without a table of jumps, and the allocator hands out again at once what
# was freed last. All of them or none: half of KJ in the program and half beside it would be two.
# Only mold is asked: GNU ld takes no archives that stand before what needs them.
function(parley_link_whole target)
  if(PARLEY_ASAN OR PARLEY_TSAN OR NOT PARLEY_LINK_WHOLE)  # sanitizers bring their own allocator
    return()
  endif()
  set(plain "${target} links shared libraries and the system's allocator, and is slower: no")
  if(NOT PARLEY_MOLD)
    message(STATUS "${plain} mold")
    return()
  endif()
  find_library(allocator libtcmalloc_minimal.a NO_CACHE)
  if(NOT allocator)
    message(STATUS "${plain} libtcmalloc_minimal.a (libgoogle-perftools-dev)")
    return()
  endif()
  set(archives)
  foreach(name capnp-rpc capnp-json capnp kj-http kj-async kj sqlite3)
    set(library CapnProto::${name})
    if(name STREQUAL sqlite3)
      set(library SQLite::SQLite3)
    endif()
    parley_archive_of(archive ${library} ${name})
    if(NOT archive)
      message(STATUS "${plain} archive of ${library}")
      return()
    endif()
    list(APPEND archives ${archive})
  endforeach()
  target_link_options(${target} PRIVATE -Wl,--as-needed)
  target_link_libraries(${target} PRIVATE
    -Wl,--whole-archive ${allocator} -Wl,--no-whole-archive ${archives} m)
  # A program that needs one of them as a shared library after all works too, and is slower.
  add_test(NAME sim.linked-whole.${target}
           COMMAND ${CMAKE_OBJDUMP} -p $<TARGET_FILE:${target}>)
  set_tests_properties(sim.linked-whole.${target} PROPERTIES
    FAIL_REGULAR_EXPRESSION "NEEDED +lib(capnp|kj|sqlite3)")
endfunction()

# Whole clusters in virtual time: the program, and the tests of its parts.
function(parley_sim_tests)
  file(GLOB sources CONFIGURE_DEPENDS tests/sim/*.cpp)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "(_test|/main|/mutant_hunt)\\.cpp$")
  add_library(parley_simulator STATIC ${sources})
  target_link_libraries(parley_simulator PUBLIC parley_api)
  add_executable(parley-sim tests/sim/main.cpp)
  target_link_libraries(parley-sim PRIVATE parley_simulator CLI11::CLI11)
  parley_link_whole(parley-sim)
  add_executable(test_sim ${tests} tests/catch_main.cpp)
  target_link_libraries(test_sim PRIVATE parley_simulator)
  target_compile_definitions(test_sim PRIVATE PARLEY_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # The same seeds every time, each twice: a change that breaks one has broken it for certain.
  # A sanitizer's build is twenty times slower: it looks at memory, not at histories.
  set(seeds 300)
  if(PARLEY_ASAN OR PARLEY_TSAN)
    set(seeds 20)
  endif()
  # Two processes beside each other, as many as the smallest machine has cores.
  add_test(NAME sim.seeds COMMAND parley-sim --seeds ${seeds} --twice --jobs 2 --shrink 30)
  set_tests_properties(sim.seeds PROPERTIES TIMEOUT 600 PROCESSORS 2)
  foreach(test ${tests})
    get_filename_component(stem ${test} NAME_WE)
    string(REGEX REPLACE "_test$" "" tag ${stem})
    add_test(NAME sim.${tag} COMMAND test_sim "[${tag}]")
    set_tests_properties(sim.${tag} PROPERTIES TIMEOUT 400)
  endforeach()
endfunction()
parley_sim_tests()

# Planted bugs (base/mutant.h). The files that hold some are compiled once more, with the switch,
# and stand before the floors' archives: the linker takes theirs from there no more. Whoever plants
# a bug names it in the switch, so that this list is made anew.
function(parley_mutants)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tests/sim/mutant_switch.h)
  set(sources)
  foreach(floor base runtime ring storage membership replication repair api)
    file(GLOB candidates CONFIGURE_DEPENDS ${floor}/*.cpp)
    foreach(source ${candidates})
      file(STRINGS ${source} planted REGEX "PARLEY_MUTANT\\(" LIMIT_COUNT 1)
      if(planted)
        list(APPEND sources ${source})
      endif()
    endforeach()
  endforeach()
  add_library(parley_mutants OBJECT ${sources})
  target_link_libraries(parley_mutants PRIVATE parley_api)
  target_compile_options(parley_mutants PRIVATE
    -include ${PROJECT_SOURCE_DIR}/tests/sim/mutant_switch.h
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)  # as for api/
  add_executable(parley-sim-mutants tests/sim/main.cpp tests/sim/mutant_hunt.cpp
                 $<TARGET_OBJECTS:parley_mutants>)
  target_compile_definitions(parley-sim-mutants PRIVATE PARLEY_WITH_MUTANTS)
  target_link_libraries(parley-sim-mutants PRIVATE parley_simulator CLI11::CLI11)
  parley_link_whole(parley-sim-mutants)
  # A daemon in which the environment plants one: does a demo see that its property is broken?
  file(GLOB daemon CONFIGURE_DEPENDS tools/daemon/*.cpp tests/mutants/*.cpp)
  add_executable(parleyd-mutants ${daemon} $<TARGET_OBJECTS:parley_mutants>)
  target_link_libraries(parleyd-mutants PRIVATE parley_api CLI11::CLI11 tomlplusplus::tomlplusplus)
  add_dependencies(test_process parleyd-mutants)
  if(NOT PARLEY_ASAN AND NOT PARLEY_TSAN)  # the sanitizers have nothing to say about planted bugs
    add_test(NAME sim.mutants COMMAND parley-sim-mutants --jobs 2
             --replay ${PROJECT_SOURCE_DIR}/tests/sim/mutants.txt)
    set_tests_properties(sim.mutants PROPERTIES TIMEOUT 400)
  endif()
endfunction()
parley_mutants()
