// SPDX-License-Identifier: Apache-2.0

import Foundation
import WarrenFuzzing

/// The target that `WARREN_FUZZ` names.
let target: FuzzTarget? = {
    let name = ProcessInfo.processInfo.environment["WARREN_FUZZ"]
    return FuzzTarget.all.first { $0.name == name }
}()

/// Given every input by libFuzzer, which looks for this name.
@_cdecl("LLVMFuzzerTestOneInput")
public func judge(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = [UInt8](UnsafeBufferPointer(start: start, count: count))
    // A complaint is a finding like a crash: libFuzzer keeps the input.
    if let complaint = target?.judge(input) { fatalError(complaint) }
    return 0
}
