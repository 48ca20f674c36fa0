#pragma once

namespace rankpool::schedule {

/// What makes a `T` a member of one LinkedList.
template <class T>
struct ListHook {
  T* next = nullptr;
  T* previous = nullptr;
  bool linked = false;
};

/// A list through the elements themselves: no allocation, removal from anywhere in constant time. Elements outlive it
/// or are removed first.
template <class T, ListHook<T> T::*link>
class LinkedList {
 public:
  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }
  [[nodiscard]] T* front() const noexcept { return head_; }
  void push_front(T& element) noexcept {
    (element.*link) = {head_, nullptr, true};
    (head_ != nullptr ? (head_->*link).previous : tail_) = &element;
    head_ = &element;
  }
  void push_back(T& element) noexcept {
    (element.*link) = {nullptr, tail_, true};
    (tail_ != nullptr ? (tail_->*link).next : head_) = &element;
    tail_ = &element;
  }
  /// Behind all that `goes_before` it, looked for from the back.
  template <class GoesBefore>
  void insert(T& element, GoesBefore&& goes_before) noexcept {
    T* before = tail_;
    while (before != nullptr && !goes_before(*before, element)) before = (before->*link).previous;
    if (before == nullptr) return push_front(element);
    if (before == tail_) return push_back(element);
    T* const behind = (before->*link).next;
    (element.*link) = {behind, before, true};
    (before->*link).next = &element;
    (behind->*link).previous = &element;
  }
  void remove(T& element) noexcept {
    const ListHook<T> old = element.*link;
    (old.previous != nullptr ? (old.previous->*link).next : head_) = old.next;
    (old.next != nullptr ? (old.next->*link).previous : tail_) = old.previous;
    element.*link = {};
  }

 private:
  T* head_ = nullptr;
  T* tail_ = nullptr;
};

}  // namespace rankpool::schedule
