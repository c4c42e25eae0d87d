#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace parley::sim {
namespace {

constexpr std::size_t kSector = 512;

void put(Bytes& to, std::size_t at, ByteView data) {
  if (to.size() < at) to.resize(at);
  to.replace(at, data.size(), data);
}

ByteView bytes_of(const DiskFile& file, const DiskFile::Change& change) {
  if (!change.aside.empty()) return change.aside;
  return ByteView(file.written).substr(change.offset, change.size);
}

// What unsynced writes left in [from, to) is about to go.
void set_aside(DiskFile& file, std::size_t from, std::size_t to) {
  if (from >= file.unsynced_end) return;
  for (auto& change : file.unsynced) {
    if (change.size == 0 || !change.aside.empty()) continue;
    if (change.offset < to && from < change.offset + change.size) {
      change.aside = Bytes(bytes_of(file, change));
    }
  }
}

// With the way back to the file as it is now; `size` 0: a truncation to `at`.
void note(DiskFile& file, std::size_t at, std::size_t size) {
  const std::size_t now = file.written.size();
  const std::size_t gone = at >= now ? 0 : size == 0 ? now - at : std::min(size, now - at);
  set_aside(file, at, size == 0 ? std::max(now, at) : at + size);
  file.unsynced.push_back({at, size, now, gone == 0 ? Bytes{} : file.written.substr(at, gone), {}});
  file.unsynced_end = std::max(file.unsynced_end, at + size);
}

void forget_unsynced(DiskFile& file) {
  file.unsynced.clear();
  file.unsynced_end = 0;
}

bool has(const DiskFile& file, std::size_t at, ByteView data) {
  return at <= file.written.size() && ByteView(file.written).substr(at, data.size()) == data;
}

// But for its name in the directory.
bool durable_as_read(const DiskFile& file) { return file.unsynced.empty() && !file.apart; }

Bytes durable_of(const DiskFile& file) {
  if (file.apart) return *file.apart;
  Bytes out = file.written;
  for (auto change = file.unsynced.rbegin(); change != file.unsynced.rend(); ++change) {
    out.resize(change->size_before);
    change->before.copy(out.data() + std::min(change->offset, out.size()), change->before.size());
  }
  return out;
}

}  // namespace

FilePtr SimDisk::open(const std::string& name, bool create) {
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  if (!create) return nullptr;
  return files_.emplace(name, std::make_shared<DiskFile>()).first->second;
}

void SimDisk::remove(const std::string& name) { files_.erase(name); }

void SimDisk::write(DiskFile& file, std::int64_t offset, ByteView data) {
  if (data.empty()) return;
  const auto at = static_cast<std::size_t>(offset);
  // What is durable and written again as it is changes nothing (each start writes its log so).
  if (durable_as_read(file) && has(file, at, data)) return;
  note(file, at, data.size());
  put(file.written, at, data);
}

void SimDisk::truncate(DiskFile& file, std::int64_t size) {
  const auto to = static_cast<std::size_t>(size);
  note(file, to, 0);
  file.written.resize(to);
}

void SimDisk::sync(DiskFile& file) {
  ++syncs_;
  if (file.apart) {
    for (const auto& change : file.unsynced) {
      if (change.size == 0) {
        file.apart->resize(change.offset);
      } else {
        put(*file.apart, change.offset, bytes_of(file, change));
      }
    }
    if (*file.apart == file.written) file.apart.reset();
  }
  forget_unsynced(file);
  file.durable_entry = true;
}

void SimDisk::fail_sync(DiskFile& file) {
  file.apart = durable_of(file);
  if (*file.apart == file.written) file.apart.reset();
  forget_unsynced(file);
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
  Bytes left = durable_of(file);
  for (const auto& change : file.unsynced) {
    if (change.size == 0) {
      if (random_.below(8) < kept_of_8) left.resize(change.offset);
      continue;
    }
    // Sectors on their own: a write may be torn, and a later one may be there without it.
    const ByteView data = bytes_of(file, change);
    std::size_t at = 0;
    while (at < data.size()) {
      const std::size_t place = change.offset + at;
      const std::size_t size = std::min(kSector - place % kSector, data.size() - at);
      if (random_.below(8) < kept_of_8) put(left, place, data.substr(at, size));
      at += size;
    }
  }
  forget_unsynced(file);
  file.apart.reset();
  file.written = std::move(left);
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
    if (file->durable_entry) image[name] = durable_of(*file);
  }
  return image;
}

bool SimDisk::is_durable_as_read(const std::string& name) const {
  const auto found = files_.find(name);
  if (found == files_.end() || found->second->share->shared == 0) return false;
  return std::all_of(files_.begin(), files_.end(), [](const auto& entry) {
    const DiskFile& file = *entry.second;
    return file.durable_entry && durable_as_read(file);
  });
}

void SimDisk::restore(const DiskImage& image) {
  ++images_;
  files_.clear();
  for (const auto& [name, bytes] : image) {
    auto file = std::make_shared<DiskFile>();
    file->written = bytes;
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
  const auto flip = [at](Bytes& bytes, std::size_t first) {
    if (at < first || at - first >= bytes.size()) return;
    bytes[at - first] = static_cast<char>(bytes[at - first] ^ 1);
  };
  flip(file.written, 0);
  if (file.apart) flip(*file.apart, 0);
  for (auto& change : file.unsynced) flip(change.before, change.offset);
  return true;
}

std::uint64_t SimDisk::bytes() const {
  std::uint64_t sum = 0;
  for (const auto& [name, file] : files_) sum += file->written.size();
  return sum;
}

}  // namespace parley::sim
