import ArgumentParser
import CommandLineSupport
import Diffusion
import Files
import Foundation
import Reporting
import Volumes

struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a phantom: a diffusion-weighted image whose fibres are known.",
        usage: "prism-dmri simulate --out <folder> [options]",
        discussion: Manual.page(
            """
            Writes to --out: dwi.nii.gz, dwi.bval, dwi.bvec (FSL's convention), mask.nii.gz; truth/ with the number of \
            fibres, directions (scanner \
            frame), fractions, diffusivity and more; truth.json, which explains them.

            Kinds: brain (curved bundles that cross, ventricles, noise around), crossings (two sticks at --angles, \
            turned at random), \
            water (isotropic), prior (voxels from the model's prior at --lambda).
            """,
            examples: [
                ("a small brain", "prism-dmri simulate --out brain"),
                (
                    "crossings seen by your own protocol",
                    "prism-dmri simulate --out x --kind crossings --bvals a.bval --bvecs a.bvec"
                ),
            ]))

    @Option(help: "Folder to write.", completion: .directory) var out: String
    @Option(help: "What to simulate: \(Phantom.Kind.allCases.map(\.rawValue).joined(separator: ", ")).") var kind =
        Phantom.Kind.brain
    @Option(
        help:
            """
            Acquisition file (YAML), such as those in protocols/acquisitions (default: nine b=0 volumes and 30 \
            directions at b 1000, 2000, 3000).
            """
    )
    var acquisition: String?
    @Option(help: "b-values of an existing acquisition (FSL text), with --bvecs.", completion: .file()) var bvals:
        String?
    @Option(help: "Directions of an existing acquisition (FSL text), with --bvals.", completion: .file()) var bvecs:
        String?
    @Flag(
        help:
            """
            The b-values of --bvals are nominal: the real ones are b·length² of the direction vectors, 0 for zero \
            vectors.
            """
    ) var scaleByLength = false
    @Option(
        help: "Voxels along each axis (default: by kind; brain 40,48,32).",
        transform: { try Simulate.numbers($0, "40,48,32") }) var size: [Int]?
    @Option(help: "Signal-to-noise ratio of a b=0 volume; 'inf' for none (default: 30; prior: drawn).") var snr: Double?
    @Option(
        help:
            "Noise: \(Phantom.Noise.allCases.map(\.rawValue).joined(separator: ", ")) (default: rician; prior: drawn).")
    var noise: Phantom.Noise?
    @Option(
        help: "Crossing angles in degrees (default: 20,30,…,90).", transform: { try Simulate.numbers($0, "30,60,90") })
    var angles: [Double]?
    @Option(
        help: "Fractions of the two crossing sticks (default: 0.35,0.35).",
        transform: { try Simulate.numbers($0, "0.5,0.2") }) var fractions: [Double]?
    @Option(help: "Diffusivity in mm²/s (default: crossings 1.5e-3, water 2.16e-3).") var diffusivity: Double?
    @Option(help: "Parsimony λ of the prior's structures (default: 0).") var lambda: Double?
    @Option(
        help:
            """
            Gradients deviate from the table as a coil's do, by this share at the brain's edge (0 to 0.3); \
            grad_dev.nii.gz, as HCP has it, says how in each voxel.
            """
    ) var gradientDeviation: Double?
    @Option(help: "Seed of all random numbers.") var seed: UInt64 = 1
    @Flag(help: "Replace an earlier simulation in --out.") var force = false
    @OptionGroup var talk: TalkOptions

    private static func numbers<Number: LosslessStringConvertible>(_ text: String, _ example: String) throws -> [Number]
    {
        let words = text.split(separator: ",", omittingEmptySubsequences: false),
            numbers = words.compactMap { Number(String($0)) }
        guard numbers.count == words.count else { throw ValidationError("Write numbers like \(example).") }
        return numbers
    }

    func validate() throws {
        func only(_ isGiven: Bool, _ option: String, _ kinds: Phantom.Kind...) throws {
            guard !isGiven || kinds.contains(kind) else {
                throw ValidationError(
                    """
                    --\(option) goes with --kind \(kinds.map(\.rawValue).joined(separator: " or ")), not with \
                    \(kind.rawValue).
                    """
                )
            }
        }
        try only(angles != nil, "angles", .crossings)
        try only(fractions != nil, "fractions", .crossings)
        try only(diffusivity != nil, "diffusivity", .crossings, .water)
        try only(lambda != nil, "lambda", .prior)
        guard (bvals == nil) == (bvecs == nil) else { throw ValidationError("--bvals and --bvecs belong together.") }
        guard !scaleByLength || bvals != nil else {
            throw ValidationError("--scale-by-length goes with --bvals and --bvecs.")
        }
        guard bvals == nil || acquisition == nil else {
            throw ValidationError("Give either --acquisition or --bvals and --bvecs.")
        }
        if let size {
            guard size.count == 3, size.allSatisfy({ (1...4096).contains($0) }) else {
                throw ValidationError("--size needs three numbers between 1 and 4096, such as 40,48,32.")
            }
            guard size.reduce(1, *) <= 1 << 24 else {
                throw ValidationError("--size asks for more than 16 million voxels.")
            }
        }
        guard snr.map({ $0 > 0 }) ?? true else { throw ValidationError("--snr must be above 0.") }
        guard angles.map({ !$0.isEmpty && $0.count <= 1000 && $0.allSatisfy { $0 > 0 && $0 <= 90 } }) ?? true else {
            throw ValidationError("--angles must lie above 0 and at most at 90 degrees.")
        }
        guard
            fractions.map({ $0.count == 2 && $0.allSatisfy { $0 >= BallSticks.fractionFloor } && $0[0] + $0[1] <= 1 })
                ?? true
        else {
            throw ValidationError(
                "--fractions needs two numbers of at least \(BallSticks.fractionFloor) that sum to 1 at most.")
        }
        guard diffusivity.map({ (1e-4...5e-3).contains($0) }) ?? true else {
            throw ValidationError("--diffusivity must lie between 1e-4 and 5e-3 mm²/s.")
        }
        guard gradientDeviation.map({ $0 > 0 && $0 <= 0.3 }) ?? true else {
            throw ValidationError("--gradient-deviation must lie above 0 and at most at 0.3.")
        }
        guard lambda.map({ (0...10).contains($0) }) ?? true else {
            throw ValidationError("--lambda must lie between 0 and 10.")
        }
    }

    func run() throws {
        let read = [acquisition, bvals, bvecs].compactMap { $0 },
            target = try OutputFolder(out, by: program, kind: .simulation, mode: force ? .force : .fresh, inputs: read)
        let shape = size ?? defaultSize
        let geometry = VolumeGeometry(shape: shape, affine: Affine(rows: Phantom.affineRows(shape)))
        let conversion = try Diffusion.FrameConversion(
            affine3x3: (0..<3).flatMap { r in (0..<3).map { c in geometry.affine[r, c] } })
        let (protocolName, acquisition) = try openAcquisition(conversion)
        let phantom = makePhantom(shape, acquisition).deviating(by: gradientDeviation ?? 0)
        let files = PhantomFiles(
            phantom: phantom, geometry: geometry, acquisition: acquisition,
            angles: kind == .crossings ? crossingAngles : nil, deviation: gradientDeviation)
        try target.fill { folder in
            try files.write(
                to: folder, table: table(acquisition, conversion),
                explanation: explanation(phantom, acquisition, protocolName))
        }
        if !talk.quiet {
            let counts = phantom.fibreCounts.map(String.init).joined(separator: ", ")
            Terminal.note(
                "\(out): \(phantom.count) voxels with 0, 1, 2, 3 fibres in \(counts); \(acquisition.count) volumes")
        }
    }

    var crossingAngles: [Double] { angles ?? Array(stride(from: 20, through: 90, by: 10)) }

    private var defaultSize: [Int] {
        switch kind {
        case .brain: [40, 48, 32]
        case .crossings: [crossingAngles.count, 25, 20]
        case .water: [16, 16, 8]
        case .prior: [20, 20, 25]
        }
    }

    /// The acquisition with directions in the scanner's frame, and what to call it.
    private func openAcquisition(_ conversion: Diffusion.FrameConversion) throws -> (name: String, Acquisition) {
        if let bvals, let bvecs {
            let table = try GradientTable.readFSL(bvals: bvals, bvecs: bvecs)
            return (
                "\(bvals), \(bvecs)",
                try table.acquisition(conversion: conversion, lengths: scaleByLength ? .scaleByLength : .normalise)
            )
        }
        let file =
            try acquisition.map { try AcquisitionFile(path: $0) }
            ?? AcquisitionFile(yaml: Self.standardAcquisition, path: "built in")
        return (file.name, try file.acquisition())
    }

    private static let standardAcquisition = """
        name: three-shell-1000-2000-3000
        unweighted: {count: 9, placement: spread}
        shells: [{b: 1000, directions: 30}, {b: 2000, directions: 30}, {b: 3000, directions: 30}]
        """

    private func table(_ acquisition: Acquisition, _ conversion: Diffusion.FrameConversion) -> GradientTable {
        GradientTable(
            bValues: acquisition.bValues, vectors: acquisition.directions.map(conversion.fsl(fromScanner:)), frame: .fsl
        )
    }

    private func makePhantom(_ shape: [Int], _ acquisition: Acquisition) -> Phantom {
        let snr = self.snr ?? 30, noise = self.noise ?? .rician
        switch kind {
        case .brain: return .brain(shape: shape, snr: snr, noise: noise, seed: seed)
        case .crossings:
            let f = fractions ?? [0.35, 0.35]
            return .crossings(
                shape: shape, angles: crossingAngles, fractions: (f[0], f[1]), diffusivity: diffusivity ?? 1.5e-3,
                snr: snr, noise: noise, seed: seed)
        case .water:
            return .water(shape: shape, diffusivity: diffusivity ?? 2.16e-3, snr: snr, noise: noise, seed: seed)
        case .prior:
            return .prior(
                shape: shape, lambda: lambda ?? 0, acquisition: acquisition, snr: self.snr, noise: self.noise,
                seed: seed)
        }
    }
}

extension Phantom.Kind: ExpressibleByArgument {}
extension Phantom.Noise: ExpressibleByArgument {}
