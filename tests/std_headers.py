# SPDX-License-Identifier: Apache-2.0
"""Which standard header declares a name of std, for the names that Spectra uses.

A header of the standard library may include others, and another version of it may not: what a file uses it includes, itself or
through the project's own headers."""
import functools
import re

NAMES = {
    "algorithm": "all_of any_of binary_search clamp copy copy_if copy_n count count_if equal equal_range fill fill_n find find_if "
                 "find_if_not for_each generate includes inplace_merge is_sorted lexicographical_compare lower_bound make_heap max "
                 "max_element merge min min_element minmax minmax_element mismatch next_permutation none_of nth_element "
                 "partial_sort partition pop_heap push_heap remove remove_if replace replace_if reverse rotate search set_difference "
                 "set_intersection set_union shuffle sort stable_partition stable_sort swap_ranges transform unique upper_bound",
    "array": "array to_array",
    "atomic": "atomic atomic_bool atomic_flag atomic_thread_fence memory_order_acquire memory_order_relaxed memory_order_release "
              "memory_order_acq_rel memory_order_seq_cst",
    "bit": "bit_cast bit_ceil bit_width countl_zero countr_zero endian has_single_bit popcount rotl rotr",
    "bitset": "bitset",
    "charconv": "chars_format from_chars to_chars",
    "cmath": "cbrt ceil copysign cosh erf erfc exp2 expm1 fabs floor fma fmod frexp hypot ilogb isfinite isinf isnan ldexp lgamma "
             "llround log10 log1p log2 lrint lround modf nearbyint nextafter pow remainder rint round signbit sinh sqrt tanh tgamma "
             "trunc",
    "condition_variable": "condition_variable condition_variable_any cv_status",
    "csignal": "raise signal",
    "cstdint": "int16_t int32_t int64_t int8_t uint16_t uint32_t uint64_t uint8_t uintptr_t",
    "cstdio": "fclose fflush fgets fopen fprintf fputs fread fwrite printf snprintf",
    "cstdlib": "abort exit getenv strtod strtol strtoll strtoul strtoull system",
    "cstring": "memchr memcmp memcpy memmove memset strchr strcmp strerror strlen strncmp strstr",
    "ctime": "gmtime localtime strftime time_t tm",
    "deque": "deque",
    "exception": "current_exception exception exception_ptr rethrow_exception terminate uncaught_exceptions",
    "fstream": "fstream ifstream ofstream",
    "functional": "bit_and bit_or bit_xor function greater hash invoke less minus multiplies plus ref",
    "future": "async future packaged_task promise",
    "initializer_list": "initializer_list",
    "iomanip": "put_time setfill setprecision setw",
    "iostream": "cerr cin clog cout",
    "istream": "istream",
    "iterator": "back_inserter distance istreambuf_iterator make_move_iterator next prev",
    "limits": "numeric_limits",
    "list": "list",
    "map": "map multimap",
    "memory": "addressof enable_shared_from_this make_shared make_unique shared_ptr static_pointer_cast unique_ptr weak_ptr",
    "mutex": "adopt_lock call_once defer_lock lock_guard mutex once_flag recursive_mutex scoped_lock unique_lock",
    "new": "align_val_t bad_alloc nothrow",
    "numbers": "numbers",
    "numeric": "accumulate adjacent_difference exclusive_scan gcd inclusive_scan inner_product iota lcm midpoint partial_sum reduce",
    "optional": "make_optional nullopt nullopt_t optional",
    "ostream": "ostream",
    "queue": "priority_queue queue",
    "random": "bernoulli_distribution discrete_distribution mt19937 mt19937_64 normal_distribution random_device "
              "uniform_int_distribution uniform_real_distribution",
    "ranges": "ranges views",
    "regex": "cmatch regex regex_match regex_replace regex_search smatch sregex_iterator",
    "set": "multiset set",
    "shared_mutex": "shared_lock shared_mutex",
    "span": "as_bytes as_writable_bytes span",
    "sstream": "istringstream ostringstream stringstream",
    "stack": "stack",
    "stdexcept": "domain_error invalid_argument logic_error out_of_range runtime_error",
    "string": "basic_string getline stod stof stoi stol stoll stoul stoull string to_string u32string u8string",
    "string_view": "string_view u32string_view",
    "system_error": "errc error_code system_category system_error",
    "thread": "jthread this_thread thread",
    "tuple": "apply forward_as_tuple make_tuple tie tuple tuple_element tuple_size",
    "type_traits": "common_type_t conditional_t decay_t enable_if_t invoke_result_t is_arithmetic_v is_base_of_v is_floating_point_v "
                   "is_integral_v is_same is_same_v is_signed_v is_trivially_copyable_v is_unsigned_v make_signed_t make_unsigned_t "
                   "remove_const_t remove_cvref_t remove_reference_t true_type false_type type_identity_t underlying_type_t",
    "typeindex": "type_index",
    "unordered_map": "unordered_map unordered_multimap",
    "unordered_set": "unordered_multiset unordered_set",
    "utility": "as_const cmp_equal cmp_greater cmp_less declval exchange forward in_place in_range index_sequence "
               "integer_sequence make_index_sequence make_pair move pair piecewise_construct swap",
    "variant": "get_if holds_alternative monostate variant visit",
    "vector": "vector",
}
HEADER = {name: header for header, names in NAMES.items() for name in names.split()}
# What a header brings by the standard's own word, or as every class that it declares needs it.
BRINGS = {
    "map": ["utility"], "unordered_map": ["utility"], "tuple": ["utility"], "optional": ["initializer_list"], "string": ["initializer_list",
    "string_view"], "vector": ["initializer_list"], "set": ["initializer_list"], "deque": ["initializer_list"], "sstream": ["string",
    "istream", "ostream"], "fstream": ["istream", "ostream"], "iostream": ["istream", "ostream"], "regex": ["string"],
    "stdexcept": ["exception"], "future": ["exception"], "queue": ["vector"], "filesystem": ["string", "system_error"],
    "condition_variable": ["mutex"], "memory": ["utility"], "functional": ["utility"], "algorithm": ["utility"], "chrono": ["ratio"],
    "shared_mutex": ["mutex"], "system_error": ["stdexcept", "string"], "variant": ["utility"], "random": ["cstdint"],
    "utility": ["initializer_list"], "array": ["initializer_list"], "gtest/gtest.h": ["string", "vector", "ostream", "memory"],
    "stdint.h": ["cstdint"], "string.h": ["cstring"], "cinttypes": ["cstdint"], "signal.h": ["csignal"],
}


def without_comments(text):
    text = re.sub(r'R"(\w*)\((?:.|\n)*?\)\1"', '""', text)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
    return re.sub(r"//[^\n]*|/\*(?:.|\n)*?\*/", "", text)


def includes(text):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', text, re.M)


class Sources:
    """`find`: the path of a project header from how it is spelled in an #include and who includes it, or None."""

    def __init__(self, find):
        self.find = find

    @functools.lru_cache(maxsize=None)
    def headers(self, path):
        """Every header that a file includes, through the project's own ones too."""
        found, waiting, seen = set(), [path], {path}
        while waiting:
            current = waiting.pop()
            for name in includes(current.read_text()):
                own = self.find(name, current)
                if own is None:
                    found.add(name)
                elif own not in seen:
                    seen.add(own)
                    waiting.append(own)
        return found | {more for name in found for more in BRINGS.get(name, [])}

    def missing(self, path):
        """(line, name of std, its header) for every name whose header is not included."""
        have = self.headers(path)
        for number, line in enumerate(without_comments(path.read_text()).splitlines(), 1):
            for name in re.findall(r"\bstd::(\w+)", line):
                header = HEADER.get(name)
                if header is not None and header not in have:
                    yield number, name, header
