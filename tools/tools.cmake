# Programs: thin mains over the floors.

function(parley_program name folder)
  file(GLOB sources CONFIGURE_DEPENDS tools/${folder}/*.cpp)
  if(sources)
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${ARGN})
  endif()
endfunction()

# Real daemons on loopback: `parley cluster`, the demo and the process tests.
file(GLOB local_sources CONFIGURE_DEPENDS tools/local/*.cpp)
add_library(parley_local STATIC ${local_sources})
target_link_libraries(parley_local PUBLIC parley_api PRIVATE nlohmann_json::nlohmann_json)

parley_program(parleyd daemon parley_api CLI11::CLI11 tomlplusplus::tomlplusplus)
parley_program(parley cli parley_local CLI11::CLI11 nlohmann_json::nlohmann_json PkgConfig::LIBEDIT)
parley_program(parley-demo demo parley_local CLI11::CLI11 nlohmann_json::nlohmann_json)
find_package(benchmark QUIET)
if(benchmark_FOUND)
  parley_program(parley-bench bench parley_local benchmark::benchmark)
endif()
