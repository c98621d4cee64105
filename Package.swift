// swift-tools-version:6.1
import PackageDescription

/// What `warren version` names besides the version; scripts/build.sh says it. SwiftPM's own word about the checkout is kept
/// from build to build, and would soon name a commit that was not built.
let commit = (Context.environment["WARREN_COMMIT"] ?? "").filter { $0.isLetter || $0.isNumber || $0 == "-" }

/// One word here and one entry in Registry.swift: that is all a new protocol needs.
let protocols = ["JProxy", "JET", "ZhwkproX", "MProxy", "VProxy", "WebSocks"]

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

func nio(_ name: String) -> Target.Dependency { .product(name: name, package: "swift-nio") }
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let collections = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let heap = Target.Dependency.product(name: "HeapModule", package: "swift-collections")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let unixSignals = Target.Dependency.product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let asn1 = Target.Dependency.product(name: "SwiftASN1", package: "swift-asn1")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let protocolTargets = protocols.map { Target.Dependency(stringLiteral: "Warren\($0)") }

let package = Package(
    name: "warren",
    platforms: [.macOS(.v15)],
    products: [.executable(name: "warren", targets: ["WarrenCLI"])]
        + ([
            "WarrenCore", "WarrenKCP", "WarrenSecureDatagrams", "WarrenLoop", "WarrenRuntime", "WarrenConfiguration",
            "WarrenTokens",
            "WarrenCertificates",
            "WarrenAssembly", "Warren", "WarrenBench", "WarrenDemo", "WarrenLab", "WarrenTesting", "WarrenFuzzing",
            "CWarrenAES",
            "CWarrenSystem",
        ] + protocols.map { "Warren\($0)" })
        .map { .library(name: $0, targets: [$0]) },
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-certificates.git", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1.git", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics.git", from: "2.13.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle.git", from: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams.git", from: "6.2.2"),
        .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
        .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
    ],
    targets: [
        .target(name: "CWarrenAES"),
        .target(name: "CWarrenAEAD"),
        .target(name: "CWarrenSystem"),
        .target(name: "CWarrenStart", cSettings: [.define("WARREN_COMMIT", to: "\"\(commit)\"")]),
        .target(name: "WarrenCore", dependencies: [nio("NIOCore"), heap]),
        .target(name: "WarrenKCP", dependencies: ["WarrenCore", nio("NIOCore")]),
        .target(name: "WarrenSecureDatagrams", dependencies: ["WarrenCore", "CWarrenAEAD", nio("NIOCore"), crypto]),
        .target(
            name: "WarrenLoop",
            dependencies: [
                "WarrenCore", "CWarrenSystem", nio("NIOCore"), nio("NIOConcurrencyHelpers"),
            ]
        ),
        .target(
            name: "WarrenRuntime",
            dependencies: [
                "WarrenLoop", "WarrenCore", "WarrenKCP", "WarrenSecureDatagrams", "CWarrenSystem", nio("NIOCore"),
                nio("NIOPosix"), nio("NIOConcurrencyHelpers"),
                nio("NIOTLS"), nio("NIOHTTP1"), nio("NIOWebSocket"), nioSSL, collections, logging, metrics, lifecycle,
            ]
        ),
        .target(name: "WarrenConfiguration", dependencies: ["WarrenRuntime", "WarrenCore", nio("NIOCore"), yams]),
        .target(
            name: "WarrenTokens",
            dependencies: ["WarrenMProxy", "WarrenRuntime", "WarrenCore", nio("NIOCore"), crypto, jwt]
        ),
        .target(
            name: "WarrenAssembly",
            dependencies: [
                "WarrenConfiguration", "WarrenRuntime", "WarrenLoop", "WarrenKCP", "WarrenSecureDatagrams",
                "WarrenCore",
                nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1"),
                nio("NIOFoundationCompat"), "WarrenTokens", "CWarrenSystem",
                nioSSL, crypto, logging, lifecycle,
            ] + protocolTargets
        ),
        .target(
            name: "Warren",
            dependencies: [
                "WarrenAssembly", "WarrenConfiguration", "WarrenRuntime", "WarrenLoop", "WarrenCore", "CWarrenSystem",
                nio("NIOCore"),
                nio("NIOPosix"), nio("NIOConcurrencyHelpers"), nio("NIOFoundationCompat"), logging, lifecycle,
                unixSignals,
            ]
        ),
        .target(name: "WarrenBench", dependencies: ["Warren", "WarrenAssembly", "WarrenCertificates", nio("NIOCore")]),
        .target(
            name: "WarrenDemo",
            dependencies: ["Warren", "WarrenAssembly", nio("NIOCore"), nio("NIOPosix"), nio("NIOHTTP1")]
        ),
        .target(
            name: "WarrenLab", dependencies: ["WarrenRuntime", "WarrenLoop", "WarrenCore", nio("NIOCore"), heap]),
        .target(
            name: "WarrenCertificates", dependencies: ["WarrenConfiguration", "WarrenCore", crypto, x509, asn1]),
        .executableTarget(
            name: "WarrenCLI",
            dependencies: [
                "Warren", "WarrenAssembly", "WarrenConfiguration", "WarrenCertificates", "WarrenBench", "WarrenDemo",
                "WarrenLab", "WarrenRuntime", "WarrenCore", "CWarrenStart", arguments, unixSignals, nio("NIOCore"),
            ]
        ),
        .target(name: "WarrenTesting", dependencies: ["WarrenCore", nio("NIOCore")]),
        .target(
            name: "WarrenFuzzing",
            dependencies: [
                "Warren", "WarrenConfiguration", "WarrenRuntime", "WarrenLoop", "WarrenCore", "WarrenTesting",
                "WarrenKCP", "WarrenSecureDatagrams",
                nio("NIOCore"),
                nio("NIOHTTP1"), cryptoExtras,
                crypto,
            ] + protocolTargets,
            path: "Fuzzing/Targets"
        ),

        .testTarget(
            name: "CWarrenAESTests",
            dependencies: ["CWarrenAES", "WarrenTesting", nio("NIOCore"), crypto, cryptoExtras]),
        .testTarget(name: "WarrenCoreTests", dependencies: ["WarrenCore", "WarrenTesting", nio("NIOCore")]),
        .testTarget(
            name: "WarrenKCPTests", dependencies: ["WarrenKCP", "WarrenCore", "WarrenTesting", nio("NIOCore")],
            exclude: ["Fixtures"]),
        .target(
            name: "WarrenLoopTesting", dependencies: ["WarrenLoop", "WarrenCore", nio("NIOCore")],
            path: "Tests/WarrenLoopTesting"),
        .testTarget(
            name: "WarrenLoopTests",
            dependencies: ["WarrenLoop", "WarrenLoopTesting", "WarrenCore", "WarrenTesting", nio("NIOCore")]),
        .testTarget(
            name: "WarrenSecureDatagramsTests",
            dependencies: ["WarrenSecureDatagrams", "WarrenCore", "WarrenTesting", nio("NIOCore"), crypto],
            exclude: ["Fixtures"]),
        .testTarget(
            name: "WarrenRuntimeTests",
            dependencies: [
                "WarrenRuntime", "WarrenLoop", "WarrenLoopTesting", "WarrenCore", "WarrenTesting", nio("NIOCore"),
                nio("NIOPosix"), nio("NIOTLS"),
                nio("NIOHTTP1"), nio("NIOWebSocket"), logging, lifecycle, nioSSL,
            ]
        ),
        .testTarget(
            name: "WarrenConfigurationTests",
            dependencies: ["WarrenConfiguration", "WarrenRuntime", "WarrenCore", "WarrenTesting", nio("NIOCore")]),
        .testTarget(
            name: "WarrenAssemblyTests",
            dependencies: [
                "WarrenAssembly", "WarrenDemo", "WarrenConfiguration", "WarrenTokens", "WarrenCore", "WarrenRuntime",
                "WarrenLoop", "WarrenSecureDatagrams", "WarrenTesting", nio("NIOCore"), nio("NIOPosix"), nioSSL, crypto,
                cryptoExtras, logging,
            ] + protocolTargets
        ),
        .testTarget(
            name: "WarrenTests",
            dependencies: ["Warren", "WarrenConfiguration", "WarrenCore", logging]
        ),
        .testTarget(name: "WarrenBenchTests", dependencies: ["WarrenBench", "WarrenTesting"]),
        .testTarget(
            name: "WarrenLabTests",
            dependencies: ["WarrenLab", "WarrenLoop", "WarrenRuntime", "WarrenCore", "WarrenTesting", nio("NIOCore")]),
        .testTarget(name: "WarrenDemoTests", dependencies: ["WarrenDemo", nio("NIOCore")]),
        .testTarget(
            name: "WarrenCertificatesTests", dependencies: ["WarrenCertificates", crypto, x509, asn1, nioSSL]),
        .testTarget(
            name: "WarrenFuzzingTests", dependencies: ["WarrenFuzzing", "WarrenTesting"], exclude: ["Fixtures"]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "WarrenCLI", "Warren", "WarrenAssembly", "WarrenTesting", nio("NIOCore"), nio("NIOPosix"),
                nio("NIOConcurrencyHelpers"),
                crypto,
            ],
            exclude: ["Fixtures"]
        ),
    ]
        + protocols.map {
            .target(
                name: "Warren\($0)",
                dependencies: ["WarrenCore", "CWarrenAES", nio("NIOCore"), crypto, cryptoExtras]
            )
        }
        + protocols.map {
            .testTarget(
                name: "Warren\($0)Tests",
                dependencies: [
                    .init(stringLiteral: "Warren\($0)"), "CWarrenAES", "WarrenCore", "WarrenTesting", nio("NIOCore"),
                    crypto,
                    cryptoExtras,
                ],
                exclude: ["Fixtures"]
            )
        }
)
for target in package.targets where !target.name.hasPrefix("CWarren") || target.isTest {
    target.swiftSettings = settings
}
