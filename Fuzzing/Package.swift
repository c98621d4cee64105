// swift-tools-version:6.1
import PackageDescription

let package = Package(
    name: "warren-fuzzing",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "warren", path: "..")],
    targets: [
        .target(name: "CFuzzer"),
        .executableTarget(
            name: "Fuzz",
            dependencies: ["CFuzzer", .product(name: "WarrenFuzzing", package: "warren")],
            swiftSettings: [.swiftLanguageMode(.v5)]
        ),
    ]
)
