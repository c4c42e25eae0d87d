#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace parley::sim {
namespace {

constexpr std::size_t kSector = 512;

}  // namespace

FilePtr SimDisk::open(const std::string& name, bool create) {
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  if (!create) return nullptr;
  return files_.emplace(name, std::make_shared<DiskFile>()).first->second;
}

void SimDisk::remove(const std::string& name) { files_.erase(name); }

void SimDisk::apply(Bytes& to, const DiskFile::Change& change) {
  const auto at = static_cast<std::size_t>(change.offset);
  if (change.data.empty()) {
    to.resize(at);
    return;
  }
  if (to.size() < at) to.resize(at);
  to.replace(at, change.data.size(), change.data);
}

void SimDisk::write(DiskFile& file, std::int64_t offset, ByteView data) {
  if (data.empty()) return;
  file.unsynced.push_back({offset, Bytes(data)});
  apply(file.written, file.unsynced.back());
}

void SimDisk::truncate(DiskFile& file, std::int64_t size) {
  file.unsynced.push_back({size, {}});
  apply(file.written, file.unsynced.back());
}

void SimDisk::sync(DiskFile& file) {
  ++syncs_;
  for (const auto& change : file.unsynced) apply(file.durable, change);
  file.unsynced.clear();
  file.durable_entry = true;
  if (file.sync_failed) file.sync_failed = file.written != file.durable;
}

DiskVerdict SimDisk::before(DiskCall call, const std::string& name) {
  if (call != DiskCall::Read) ++calls_;
  for (const auto& [number, fault] : faults) {
    const DiskVerdict verdict = fault(call, name);
    if (verdict != DiskVerdict::Proceed) return verdict;
  }
  return DiskVerdict::Proceed;
}

void SimDisk::kill() {
  ++life_;
  for (auto& [name, file] : files_) file->share = std::make_shared<FileShare>();
}

void SimDisk::survive(DiskFile& file, unsigned kept_of_8) {
  for (const auto& change : file.unsynced) {
    if (change.data.empty()) {
      if (random_.below(8) < kept_of_8) apply(file.durable, change);
      continue;
    }
    // Sectors on their own: a write may be torn, and a later one may be there without it.
    std::size_t at = 0;
    while (at < change.data.size()) {
      const auto place = static_cast<std::size_t>(change.offset) + at;
      const std::size_t size = std::min(kSector - place % kSector, change.data.size() - at);
      if (random_.below(8) < kept_of_8) {
        apply(file.durable, {static_cast<std::int64_t>(place), change.data.substr(at, size)});
      }
      at += size;
    }
  }
  file.unsynced.clear();
  file.written = file.durable;
}

void SimDisk::power_cut() {
  // Nothing of it, all of it, or a part: each is a different trouble.
  const auto kept_of_8 = static_cast<unsigned>(random_.below(9));
  std::map<std::string, FilePtr> left;
  for (auto& [name, file] : files_) {
    if (!file->durable_entry && random_.below(8) >= kept_of_8) continue;
    // A new object: handles of the dead process keep the old one.
    auto survivor = std::make_shared<DiskFile>(*file);
    survivor->durable_entry = true;
    survive(*survivor, kept_of_8);
    left.emplace(name, std::move(survivor));
  }
  files_ = std::move(left);
  kill();
}

void SimDisk::wipe() {
  ++images_;
  files_.clear();
  kill();
}

DiskImage SimDisk::durable_image() const {
  DiskImage image;
  for (const auto& [name, file] : files_) {
    if (file->durable_entry) image[name] = file->durable;
  }
  return image;
}

bool SimDisk::is_durable_as_read(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end() || found->second->share->shared == 0) return false;
  return std::all_of(files_.begin(), files_.end(), [](const auto& entry) {
    const DiskFile& file = *entry.second;
    return file.durable_entry && file.unsynced.empty() && !file.sync_failed;
  });
}

void SimDisk::restore(const DiskImage& image) {
  ++images_;
  files_.clear();
  for (const auto& [name, bytes] : image) {
    auto file = std::make_shared<DiskFile>();
    file->written = file->durable = bytes;
    file->durable_entry = true;
    files_.emplace(name, std::move(file));
  }
  kill();
}

bool SimDisk::damage(const std::string& name, ByteView text) {
  const auto found = files_.find(name);
  if (found == files_.end()) return false;
  DiskFile& file = *found->second;
  std::vector<std::size_t> places;
  for (std::size_t at = file.written.find(text); at != Bytes::npos;
       at = file.written.find(text, at + 1)) {
    places.push_back(at + text.size() - 1);
  }
  if (places.empty()) return false;
  const std::size_t at = places[random_.below(places.size())];
  for (Bytes* image : {&file.durable, &file.written}) {
    if (at < image->size()) (*image)[at] = static_cast<char>((*image)[at] ^ 1);
  }
  return true;
}

std::uint64_t SimDisk::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, file] : files_) sum += file->written.size();
  return sum;
}

}  // namespace parley::sim
