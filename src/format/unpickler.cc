// SPDX-License-Identifier: Apache-2.0
#include "format/unpickler.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "base/error.h"

namespace spectra::format {
namespace {

constexpr const char* kPickleHint =
    "the file is damaged, or not a state dict as torch.save writes it; save it as safetensors instead";
constexpr size_t kMost = size_t{1} << 21;  // values: some 20 a tensor
using Ref = uint32_t;  // index of a value; values live until the end, so that nothing is ever freed or copied twice

struct StorageName {
  const char* name;
  DType dtype;
};
constexpr StorageName kStorages[] = {
    {"HalfStorage", DType::kF16}, {"BFloat16Storage", DType::kBf16}, {"FloatStorage", DType::kF32}, {"DoubleStorage", DType::kF64},
    {"LongStorage", DType::kI64}, {"IntStorage", DType::kI32},       {"ShortStorage", DType::kI16}, {"CharStorage", DType::kI8},
    {"ByteStorage", DType::kU8},  {"BoolStorage", DType::kBool}};

struct Value {
  enum Kind : uint8_t { kNone, kBool, kInt, kText, kTuple, kDict, kFunction, kStorage, kTensor } kind = kNone;
  int64_t number = 0;        ///< of an int or bool; of a storage its elements; of a tensor its place in tensors_
  std::string text;          ///< of a text; of a function "module name"; of a storage its key
  DType dtype = DType::kU8;  ///< of a storage, and of a function that names one
  std::vector<Ref> items;    ///< of a tuple; of a dict key, value, key, value
};

class Machine {
 public:
  Machine(std::string_view pickle, const std::string& where) : bytes_(pickle), where_(where) {}

  std::vector<PickledTensor> run() {
    while (!stopped_) {
      step(number<uint8_t>());
      if (std::max({values_.size(), stack_.size(), marks_.size(), memo_.size()}) > kMost) fail("holds more than any model needs");
    }
    const Value& top = value(pop());
    if (top.kind != Value::kDict) fail("holds no dict");
    std::vector<PickledTensor> tensors;
    std::set<std::string> names;
    for (size_t i = 0; i < top.items.size(); i += 2) {
      const Value &key = value(top.items[i]), &item = value(top.items[i + 1]);
      if (key.kind != Value::kText || item.kind != Value::kTensor)
        fail(fmt::format("entry {} (\"{}\") is no named tensor", i / 2, key.kind == Value::kText ? key.text : ""));
      if (!names.insert(key.text).second) fail(fmt::format("tensor {} occurs twice", key.text));
      tensors.push_back(tensors_[static_cast<size_t>(item.number)]);
      tensors.back().name = key.text;
    }
    return tensors;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw bad_input(fmt::format("{}: byte {} of its pickle: {}", where_, at_, problem), kPickleHint);
  }
  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) fail(fmt::format("{} bytes are wanted, {} are left", count, bytes_.size() - at_));
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("a name without an end");
    const std::string text(take(end - at_));
    ++at_;
    return text;
  }

  const Value& value(Ref ref) const { return values_[ref]; }
  void push(Value value) {
    values_.push_back(std::move(value));
    stack_.push_back(static_cast<Ref>(values_.size() - 1));
  }
  void push_number(Value::Kind kind, int64_t number) {
    Value value;
    value.kind = kind;
    value.number = number;
    push(std::move(value));
  }
  void push_text(std::string_view text) {
    Value value;
    value.kind = Value::kText;
    value.text = text;
    push(std::move(value));
  }
  Ref pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
    const Ref top = stack_.back();
    stack_.pop_back();
    return top;
  }
  Ref top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the stack is empty");
    return stack_.back();
  }
  /// What was pushed since the last mark.
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) fail("no mark on the stack");
    const std::vector<Ref> items(stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return items;
  }
  const Value& expect(Ref ref, Value::Kind kind, const char* what) const {
    if (value(ref).kind != kind) fail(fmt::format("expected {}", what));
    return value(ref);
  }

  void push_tuple(std::vector<Ref> items) {
    Value value;
    value.kind = Value::kTuple;
    value.items = std::move(items);
    push(std::move(value));
  }
  void push_short_tuple(size_t count) {
    std::vector<Ref> items(count);
    while (count-- > 0) items[count] = pop();
    push_tuple(std::move(items));
  }
  void push_dict() {
    Value value;
    value.kind = Value::kDict;
    push(std::move(value));
  }
  void set_items(const std::vector<Ref>& items) {
    if (items.size() % 2 != 0) fail("a key without a value");
    expect(top(), Value::kDict, "a dict");
    Value& dict = values_[top()];
    dict.items.insert(dict.items.end(), items.begin(), items.end());
  }

  void push_function(const std::string& module, const std::string& name) {
    Value value;
    value.kind = Value::kFunction;
    value.text = module + " " + name;
    bool known = value.text == "collections OrderedDict" || value.text == "torch._utils _rebuild_tensor_v2" ||
                 value.text == "torch._utils _rebuild_parameter";
    for (const StorageName& storage : kStorages)
      if (module == "torch" && name == storage.name) value.dtype = storage.dtype, known = true;
    if (!known)
      throw bad_input(fmt::format("{}: its pickle calls {}.{}", where_, module, name),
                      "only files that hold nothing but tensors are read; save the state dict alone, or as safetensors");
    push(std::move(value));
  }

  /// ("storage", torch.HalfStorage, key, device, elements)
  void push_storage() {
    const Value& id = expect(pop(), Value::kTuple, "the id of a storage");
    if (id.items.size() != 5 || expect(id.items[0], Value::kText, "a text").text != "storage")
      fail("a persistent id that is no storage");
    const Value& type = expect(id.items[1], Value::kFunction, "the type of a storage");
    if (type.text.rfind("torch ", 0) != 0) fail(fmt::format("{} is no type of a storage", type.text));
    Value storage;
    storage.kind = Value::kStorage;
    storage.dtype = type.dtype;
    storage.text = expect(id.items[2], Value::kText, "the key of a storage").text;
    storage.number = expect(id.items[4], Value::kInt, "the size of a storage").number;
    if (storage.number < 0) fail("a storage of negative size");
    push(std::move(storage));
  }

  std::vector<int64_t> numbers(Ref ref) const {
    std::vector<int64_t> result;
    for (const Ref item : expect(ref, Value::kTuple, "a tuple of numbers").items) {
      result.push_back(expect(item, Value::kInt, "a number").number);
      if (result.back() < 0) fail("a negative size or stride");
    }
    return result;
  }

  /// (storage, offset, shape, strides, requires_grad, hooks)
  void push_tensor(const std::vector<Ref>& arguments) {
    if (arguments.size() < 4) fail("a tensor with too few arguments");
    const Value& storage = expect(arguments[0], Value::kStorage, "a storage");
    Value result;
    result.kind = Value::kTensor;
    result.number = static_cast<int64_t>(tensors_.size());
    PickledTensor tensor;
    tensor.storage = storage.text;
    tensor.dtype = storage.dtype;
    tensor.numel = storage.number;
    tensor.offset = expect(arguments[1], Value::kInt, "an offset").number;
    tensor.shape = numbers(arguments[2]);
    tensor.strides = numbers(arguments[3]);
    check_view(tensor);
    tensors_.push_back(std::move(tensor));
    push(std::move(result));
  }

  void check_view(const PickledTensor& tensor) const {
    if (tensor.shape.size() != tensor.strides.size() || tensor.shape.size() > 8) fail("shape and strides of a tensor do not agree");
    int64_t elements = 1, last = tensor.offset;  // the largest index
    bool overflow = tensor.offset < 0, empty = false;
    for (const int64_t extent : tensor.shape) empty = empty || extent == 0;
    for (size_t i = 0; i < tensor.shape.size() && !empty; ++i) {
      int64_t reach = 0;
      overflow = overflow || __builtin_mul_overflow(elements, tensor.shape[i], &elements) ||
                 __builtin_mul_overflow(tensor.shape[i] - 1, tensor.strides[i], &reach) ||
                 __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || (!empty && last >= tensor.numel)) fail("a tensor reaches beyond its storage");
    if (!empty && elements > tensor.numel) fail("a tensor repeats elements of its storage");
  }

  void reduce() {
    const std::vector<Ref> arguments = expect(pop(), Value::kTuple, "arguments").items;
    const std::string function = expect(pop(), Value::kFunction, "a function").text;
    if (function == "collections OrderedDict") {
      if (!arguments.empty()) fail("an OrderedDict with arguments");
      return push_dict();
    }
    if (function == "torch._utils _rebuild_tensor_v2") return push_tensor(arguments);
    if (function == "torch._utils _rebuild_parameter" && !arguments.empty())
      return stack_.push_back((expect(arguments[0], Value::kTensor, "a tensor"), arguments[0]));
    fail(fmt::format("{} is no function", function));
  }

  void remember(uint64_t place) { memo_[place] = top(); }
  void recall(uint64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail(fmt::format("nothing is remembered at {}", place));
    stack_.push_back(found->second);
  }
  int64_t long_number() {
    const auto count = number<uint8_t>();
    if (count > 8) fail("a number of more than 64 bits");
    const std::string_view digits = take(count);
    uint64_t bits = count > 0 && (static_cast<uint8_t>(digits.back()) & 0x80) != 0 ? ~uint64_t{0} : 0;
    std::memcpy(&bits, digits.data(), count);
    return static_cast<int64_t>(bits);
  }

  void step(uint8_t operation) {
    if (pushes_value(operation) || builds_container(operation) || remembers(operation)) return;
    switch (operation) {
      case 0x80:  // PROTO
        if (const auto version = number<uint8_t>(); version < 2 || version > 5) fail(fmt::format("protocol {}", version));
        return;
      case 0x95:  // FRAME
        number<uint64_t>();
        return;
      case 'Q':  // BINPERSID
        return push_storage();
      case 'R':  // REDUCE
        return reduce();
      case '.':  // STOP
        stopped_ = true;
        return;
      default:
        fail(fmt::format("operation 0x{:02x} is not one that such files need", operation));
    }
  }

  // Each of the following does the operation where it is of its kind, and says whether it was.

  bool pushes_value(uint8_t operation) {
    switch (operation) {
      case 'X':  // BINUNICODE
        return push_text(take(number<uint32_t>())), true;
      case 0x8c:  // SHORT_BINUNICODE
        return push_text(take(number<uint8_t>())), true;
      case 'c': {  // GLOBAL
        const std::string module = line();
        return push_function(module, line()), true;
      }
      case 0x93: {  // STACK_GLOBAL
        const std::string name = expect(pop(), Value::kText, "a name").text;
        return push_function(expect(pop(), Value::kText, "a module").text, name), true;
      }
      case 'J':  // BININT
        return push_number(Value::kInt, number<int32_t>()), true;
      case 'K':  // BININT1
        return push_number(Value::kInt, number<uint8_t>()), true;
      case 'M':  // BININT2
        return push_number(Value::kInt, number<uint16_t>()), true;
      case 0x8a:  // LONG1
        return push_number(Value::kInt, long_number()), true;
      case 'N':  // NONE
        return push_number(Value::kNone, 0), true;
      case 0x88:  // NEWTRUE
      case 0x89:  // NEWFALSE
        return push_number(Value::kBool, operation == 0x88), true;
      default:
        return false;
    }
  }

  bool builds_container(uint8_t operation) {
    switch (operation) {
      case '}':  // EMPTY_DICT
        return push_dict(), true;
      case '(':  // MARK
        return marks_.push_back(stack_.size()), true;
      case ')':  // EMPTY_TUPLE
        return push_tuple({}), true;
      case 't':  // TUPLE
        return push_tuple(pop_to_mark()), true;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        return push_short_tuple(operation - size_t{0x84}), true;
      case 's': {  // SETITEM
        const Ref item = pop(), key = pop();
        return set_items({key, item}), true;
      }
      case 'u':  // SETITEMS
        return set_items(pop_to_mark()), true;
      case 'b':  // BUILD: attributes of a dict, which hold no weights
        pop();
        expect(top(), Value::kDict, "a dict");
        return true;
      default:
        return false;
    }
  }

  bool remembers(uint8_t operation) {
    switch (operation) {
      case 'q':  // BINPUT
        return remember(number<uint8_t>()), true;
      case 'r':  // LONG_BINPUT
        return remember(number<uint32_t>()), true;
      case 0x94:  // MEMOIZE
        return remember(memo_.size()), true;
      case 'h':  // BINGET
        return recall(number<uint8_t>()), true;
      case 'j':  // LONG_BINGET
        return recall(number<uint32_t>()), true;
      default:
        return false;
    }
  }

  std::string_view bytes_;
  const std::string& where_;
  uint64_t at_ = 0;
  bool stopped_ = false;
  std::vector<Value> values_;
  std::vector<PickledTensor> tensors_;
  std::vector<Ref> stack_;
  std::vector<size_t> marks_;  ///< heights of the stack
  std::map<uint64_t, Ref> memo_;
};

}  // namespace

std::vector<PickledTensor> unpickle_tensors(std::string_view pickle, const std::string& where) {
  return Machine(pickle, where).run();
}

}  // namespace spectra::format
