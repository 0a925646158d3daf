// swift-tools-version: 6.0
import PackageDescription

// Data flows left to right through these targets; nothing imports a target to its right.
//   Volumes, ModelSpace, Tensors  →  Diffusion, Networks  →  Training, Inference  →  Reporting  →  prism-dmri

let package = Package(
    name: "prism-dmri",
    products: [
        .executable(name: "prism-dmri", targets: ["prism-dmri"]),
        .library(name: "PrismDMRI", targets: ["Volumes", "ModelSpace", "Diffusion", "Networks", "Inference", "Reporting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    ],
    targets: [
        .target(name: "CNIfTI", linkerSettings: [.linkedLibrary("nifti2"), .linkedLibrary("znz"), .linkedLibrary("z")]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CKernels", exclude: ["default-network.safetensors"]),
        .target(name: "CFamilies"),
        .target(name: "CMemory"),
        .target(name: "CReport", exclude: ["page.html", "page.css", "numbers.js", "colours.js", "slices.js", "charts.js", "page.js"]),

        .target(name: "Volumes", dependencies: ["CNIfTI", "CZlib", "CISAL"]),
        .target(name: "ModelSpace"),
        .target(
            name: "Diffusion", dependencies: ["Volumes", "ModelSpace", "CFamilies", "CKernels", "Yams"], exclude: ["Compartments/README.md"]),
        .target(name: "Tensors", dependencies: ["COpenBLAS", "CISAL", "CKernels"]),
        .target(name: "Networks", dependencies: ["Tensors", "ModelSpace", "CKernels", "CCrypto"]),
        .target(name: "Training", dependencies: ["Networks", "ModelSpace", "Tensors", "CKernels"]),
        .target(name: "Exact", dependencies: ["ModelSpace", "Diffusion", "CKernels"]),
        .target(name: "Inference", dependencies: ["Exact", "Networks", "ModelSpace", "Diffusion", "Tensors"]),
        .target(
            name: "Reporting",
            dependencies: ["Inference", "Volumes", "Diffusion", "CReport", .product(name: "Mustache", package: "swift-mustache")]),
        .executableTarget(
            name: "prism-dmri",
            dependencies: [
                "Volumes", "Diffusion", "Exact", "Training", "Inference", "Reporting", "CMemory",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        .testTarget(name: "VolumesTests", dependencies: ["Volumes"]),
        .testTarget(name: "ModelSpaceTests", dependencies: ["ModelSpace"]),
        .testTarget(name: "DiffusionTests", dependencies: ["Diffusion"], exclude: ["references"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .testTarget(name: "NetworksTests", dependencies: ["Networks"]),
        .testTarget(name: "TrainingTests", dependencies: ["Training", "Inference"]),
        .testTarget(name: "ExactTests", dependencies: ["Exact"]),
        .testTarget(name: "InferenceTests", dependencies: ["Inference"]),
        .testTarget(name: "ReportingTests", dependencies: ["Reporting"]),
        .testTarget(name: "FuzzTests", dependencies: ["prism-dmri", "CZlib"]),
        .testTarget(name: "EndToEndTests", dependencies: ["prism-dmri"], exclude: ["cases.txt"]),
    ],
    swiftLanguageModes: [.v5]
)
