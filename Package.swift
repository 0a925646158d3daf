// swift-tools-version: 6.0
import PackageDescription

// Data flows left to right through these targets; nothing imports a target to its right.
//   Files, ModelSpace, Parallel, Tensors  →  Volumes, Networks  →  Diffusion, Exact, Training  →  BallSticksEngines
//     →  Inference  →  Chain, Studies, Bench  →  Reporting  →  prism-dmri
//   ModelSpace, Tensors, Networks  →  Regression  →  prism-regression: curves, on the same core, without MRI
//   ModelSpace, Tensors, Networks  →  Baselines  →  Studies, both programs: methods of others, to compare with
//   Files, Training, Baselines  →  CommandLineSupport  →  both programs
// Every `import` of a target stands among its dependencies here (`.ci/imports` checks it). What a library's user needs
// is public; what only other targets of this package need is `package`.

let package = Package(
    name: "prism-dmri",
    products: [
        .executable(name: "prism-dmri", targets: ["prism-dmri"]),
        .executable(name: "prism-regression", targets: ["prism-regression"]),
        .library(
            name: "PrismDMRI",
            targets: [
                "Files", "Volumes", "ModelSpace", "Parallel", "Diffusion", "Tensors", "Networks", "Training", "Exact",
                "BallSticksEngines", "Inference", "Chain", "Studies", "Reporting",
            ]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/swift-mustache", from: "2.1.1"),
    ],
    targets: [
        .target(
            name: "CNIfTI", linkerSettings: [.linkedLibrary("nifti2"), .linkedLibrary("znz"), .linkedLibrary("z")]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        .target(name: "CKernels", exclude: ["README.md"]),
        .target(
            name: "CNetworks",
            exclude: [
                "README.md", "ball-sticks.safetensors", "tissue.safetensors", "tissue-timed.safetensors",
                "gaussian.safetensors", "microstructure.safetensors",
            ]),
        .target(name: "CFamilies", exclude: ["README.md"]),
        .target(name: "CMemory"),
        .target(
            name: "CReport",
            exclude: [
                "README.md", "page.html", "page.css", "numbers.js", "colours.js", "slices.js", "charts.js", "page.js",
            ]),

        .plugin(name: "NameCommit", capability: .buildTool()),
        .target(name: "Version", exclude: ["README.md"], plugins: ["NameCommit"]),

        .target(name: "Files", exclude: ["README.md"]),
        .target(name: "Volumes", dependencies: ["Files", "CNIfTI", "CZlib", "CISAL"], exclude: ["README.md"]),
        .target(name: "ModelSpace", exclude: ["README.md"]),
        .target(name: "Parallel", exclude: ["README.md"]),
        .target(
            name: "Diffusion", dependencies: ["Volumes", "ModelSpace", "Parallel", "CFamilies", "CKernels", "Yams"],
            exclude: ["README.md", "Compartments/README.md"]),
        .target(name: "Tensors", dependencies: ["COpenBLAS", "CISAL", "CKernels"], exclude: ["README.md"]),
        .target(
            name: "Networks", dependencies: ["Tensors", "ModelSpace", "CNetworks", "CCrypto"], exclude: ["README.md"]),
        .target(
            name: "Training", dependencies: ["Networks", "ModelSpace", "Tensors", "CKernels"], exclude: ["README.md"]),
        .target(name: "Baselines", dependencies: ["Networks", "ModelSpace", "Tensors"], exclude: ["README.md"]),
        .target(name: "Exact", dependencies: ["ModelSpace", "CKernels"], exclude: ["README.md"]),
        .target(
            name: "BallSticksEngines", dependencies: ["Exact", "ModelSpace", "Diffusion", "CKernels"],
            exclude: ["README.md"]),
        .target(
            name: "Inference",
            dependencies: [
                "Exact", "BallSticksEngines", "Networks", "ModelSpace", "Parallel", "Diffusion", "Tensors", "CKernels",
            ],
            exclude: ["README.md"]),
        .target(
            name: "Chain", dependencies: ["Inference", "Diffusion", "ModelSpace", "CKernels"], exclude: ["README.md"]),
        .target(
            name: "Studies",
            dependencies: [
                "Inference", "Exact", "Baselines", "Networks", "Diffusion", "Tensors", "ModelSpace", "Parallel",
            ], exclude: ["README.md"]),
        .target(
            name: "Bench",
            dependencies: [
                "Inference", "BallSticksEngines", "Networks", "Diffusion", "ModelSpace", "Tensors", "CKernels",
            ],
            exclude: ["README.md"]),
        .target(
            name: "Reporting",
            dependencies: [
                "Studies", "Inference", "Volumes", "Diffusion", "Parallel", "Files", "CReport", "CZlib",
                .product(name: "Mustache", package: "swift-mustache"),
            ], exclude: ["README.md"]),
        .target(
            name: "CommandLineSupport",
            dependencies: [
                "Training", "Baselines", "Networks", "Tensors", "Parallel", "Files",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["README.md"]),
        .executableTarget(
            name: "prism-dmri",
            dependencies: [
                "CommandLineSupport", "Reporting", "Bench", "Studies", "Chain", "Inference", "Training", "Baselines",
                "BallSticksEngines", "Networks", "Diffusion", "Tensors", "ModelSpace", "Parallel", "Volumes", "Files",
                "CMemory", "Version",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["README.md"]),
        .target(
            name: "Regression", dependencies: ["Networks", "ModelSpace", "Tensors", "Parallel", "CKernels"],
            exclude: ["README.md"]),
        .executableTarget(
            name: "prism-regression",
            dependencies: [
                "CommandLineSupport", "Regression", "Baselines", "Training", "Networks", "Tensors", "ModelSpace",
                "Files",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], exclude: ["README.md"]),

        // A scan and an untrained network that several of the tests fit, and posteriors as tables.
        .target(
            name: "TestFixtures", dependencies: ["Inference", "Diffusion", "ModelSpace", "Networks"],
            path: "Tests/Fixtures"),
        .testTarget(name: "FilesTests", dependencies: ["Files"]),
        .testTarget(name: "VolumesTests", dependencies: ["Volumes", "Files"]),
        .testTarget(name: "ParallelTests", dependencies: ["Parallel"]),
        .testTarget(name: "ModelSpaceTests", dependencies: ["ModelSpace"]),
        .testTarget(
            name: "DiffusionTests", dependencies: ["Diffusion", "ModelSpace", "Volumes", "CKernels", "TestFixtures"],
            exclude: ["references"]),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors", "CKernels"]),
        .testTarget(name: "NetworksTests", dependencies: ["Networks", "Tensors", "ModelSpace"]),
        .testTarget(
            name: "TrainingTests", dependencies: ["Training", "Baselines", "Networks", "Tensors", "ModelSpace"]),
        .testTarget(name: "BaselinesTests", dependencies: ["Baselines", "Networks", "Tensors", "ModelSpace"]),
        .testTarget(
            name: "ExactTests",
            dependencies: ["Exact", "BallSticksEngines", "Diffusion", "ModelSpace", "CKernels", "TestFixtures"]),
        .testTarget(
            name: "InferenceTests",
            dependencies: [
                "Inference", "Chain", "Exact", "Networks", "Diffusion", "Tensors", "ModelSpace", "CKernels",
                "TestFixtures",
            ], exclude: ["format-2"]),
        .testTarget(
            name: "ChainTests", dependencies: ["Chain", "Inference", "Diffusion", "ModelSpace", "TestFixtures"]),
        .testTarget(
            name: "StudiesTests",
            dependencies: [
                "Studies", "Inference", "Exact", "Baselines", "Training", "Networks", "Diffusion", "Tensors",
                "ModelSpace", "TestFixtures",
            ]),
        .testTarget(name: "BenchTests", dependencies: ["Bench"]),
        .testTarget(
            name: "RegressionTests",
            dependencies: ["prism-regression", "Regression", "Training", "Networks", "ModelSpace"]),
        .testTarget(
            name: "ReportingTests",
            dependencies: [
                "Reporting", "Inference", "Diffusion", "ModelSpace", "Parallel", "Volumes", "Files", "CZlib",
                "TestFixtures",
            ]),
        .testTarget(
            name: "FuzzTests",
            dependencies: [
                "prism-dmri", "Reporting", "Inference", "Training", "Networks", "Diffusion", "Tensors", "ModelSpace",
                "Volumes",
                "CZlib",
            ]),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "prism-dmri", "Volumes", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["cases.txt", "local-slurm.sh"]),
    ],
    swiftLanguageModes: [.v5]
)
