// Whether a declaration of ours fits the true one, for static_assert.
#pragma once

#include <cstddef>
#include <type_traits>

namespace tahr::cuda::api {

// Alike in a call: pointers to what is const or not alike, integers and enums of one size, equal floating-point types,
// structs of one size.
template <class A, class B>
constexpr bool same_value() {
  if constexpr (std::is_void_v<A> || std::is_void_v<B>) {
    return std::is_void_v<A> && std::is_void_v<B>;
  } else if constexpr (std::is_pointer_v<A> || std::is_pointer_v<B>) {
    if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
      using X = std::remove_pointer_t<A>;
      using Y = std::remove_pointer_t<B>;
      if constexpr (std::is_const_v<X> != std::is_const_v<Y> || std::is_function_v<X> != std::is_function_v<Y>) {
        return false;
      } else if constexpr (std::is_pointer_v<X> && std::is_pointer_v<Y>) {
        return same_value<X, Y>();
      } else if constexpr (std::is_pointer_v<X> || std::is_pointer_v<Y>) {
        return std::is_void_v<X> || std::is_void_v<Y>;
      } else if constexpr (std::is_arithmetic_v<X> && std::is_arithmetic_v<Y>) {
        return sizeof(X) == sizeof(Y);
      } else {
        return true;
      }
    } else {
      return false;
    }
  } else if constexpr (std::is_floating_point_v<A> || std::is_floating_point_v<B>) {
    return std::is_same_v<std::remove_cv_t<A>, std::remove_cv_t<B>>;
  } else {
    return std::is_class_v<A> == std::is_class_v<B> && sizeof(A) == sizeof(B);
  }
}

template <class Ours, class Theirs>
struct SameFunction : std::false_type {};
template <class R, class... A, class S, class... B>
struct SameFunction<R(A...), S(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) == sizeof...(B)) return same_value<R, S>() && (same_value<A, B>() && ...);
    else return false;
  }();
};
template <class Ours, class Theirs>
inline constexpr bool same_function = SameFunction<Ours, std::remove_pointer_t<Theirs>>::value;

}  // namespace tahr::cuda::api
