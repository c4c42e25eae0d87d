// Starts a program as a child process: the one fork and exec of this folder.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

namespace parley::local {

struct Launch {
  std::vector<std::string> command;
  std::string out_file, err_file;             // appended to; "": /dev/null
  std::vector<std::string> environment = {};  // NAME=VALUE, before ours
  std::string working_directory = {};         // "": ours
  // False: it is killed when the thread that started it ends, so with its parent, however that
  // ends. True: it has a session of its own, and neither its parent nor a terminal takes it along.
  bool outlives_us = false;
  // Called here with the child's pid before the program begins. False, or an end of ours meanwhile:
  // it never does.
  std::function<bool(pid_t)> before_it_begins = {};
};

// The child's pid. Throws std::runtime_error if there can be no child.
pid_t launch(const Launch& launch);

// Environment and words as exec wants them. The pointers live as long as the strings.
std::vector<std::string> merged_environment(const std::vector<std::string>& extra);
std::vector<char*> exec_pointers(std::vector<std::string>& words);

}  // namespace parley::local
