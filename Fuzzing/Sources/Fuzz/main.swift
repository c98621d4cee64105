// SPDX-License-Identifier: Apache-2.0

import CFuzzer
import Foundation
import WarrenFuzzing

guard target != nil else {
    print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
    exit(CommandLine.arguments.contains("--list") ? 0 : 2)
}

private var count = CommandLine.argc
private var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
exit(LLVMFuzzerRunDriver(&count, &arguments) { judge($0, $1) })
