import ArgumentParser
import CommandLineSupport
import Diffusion
import Files
import Foundation
import Volumes

/// The options that name a diffusion-weighted image with its gradient table and mask, shared by the commands that read
/// one.
struct DiffusionInput: ParsableArguments {
    @Argument(
        help:
            """
            Diffusion-weighted image, 4-D NIfTI or MRtrix .mif, or a folder that holds one (FSL, HCP, UK Biobank, \
            BIDS).
            """, completion: .file()
    )
    var image: String
    @Option(
        help: "b-values, FSL text (default: found beside the image by the names of FSL, dcm2niix, BIDS and eddy).",
        completion: .file())
    var bvals: String?
    @Option(help: "Gradient directions, FSL text (default: found beside the image likewise).", completion: .file())
    var bvecs: String?
    @Option(
        help: "Gradient table in MRtrix's format (x y z b, scanner frame) instead of --bvals and --bvecs.",
        completion: .file())
    var grad: String?
    @Option(
        help:
            """
            Brain mask (default: one beside the image under a known name, else made from the b=0 images, with a \
            warning).
            """, completion: .file()
    )
    var mask: String?
    @Option(help: "Volumes with b up to this (s/mm²) count as unweighted.") var b0Threshold: Double = Acquisition
        .defaultThreshold
    @Flag(
        help:
            """
            The b-values are nominal: the real ones are b·length² of the direction vectors, 0 for zero vectors (GE \
            and Siemens multi-shell tables).
            """
    )
    var scaleByLength = false

    @Option(
        help:
            """
            How gradients deviate in each voxel, nine volumes as HCP's grad_dev has them (default: grad_dev beside \
            HCP's data; 'none' to leave it out).
            """, completion: .file()
    )
    var gradDev: String?

    @OptionGroup(title: "Timing of the gradients") var timing: TimingOptions

    func validate() throws {
        if timing.scheme != nil && (grad != nil || bvals != nil || bvecs != nil) {
            throw ValidationError("--scheme is a gradient table; leave out --grad, --bvals and --bvecs.")
        }
        if grad != nil && (bvals != nil || bvecs != nil) {
            throw ValidationError("Give either --grad or --bvals and --bvecs.")
        }
        guard b0Threshold >= 0, b0Threshold.isFinite else {
            throw ValidationError("--b0-threshold must be a number ≥ 0.")
        }
    }

    /// What is read; of a folder that holds no image, the folder itself.
    private var files: ScanFiles { (try? ScanFiles(image)) ?? ScanFiles(image: image) }

    /// The image, that of the folder named if it is one.
    var dwi: String { files.dwi }
    /// The folder of the image, or the one that was named instead.
    var subjectFolder: String {
        var isFolder: ObjCBool = false
        let isThere = FileManager.default.fileExists(atPath: image, isDirectory: &isFolder)
        let folder = isThere && isFolder.boolValue ? image : FilePath.folder(of: image)
        return URL(fileURLWithPath: folder.isEmpty ? "." : folder).standardizedFileURL.path
    }
    /// The image's file name without its ending.
    var stem: String { files.stem }
    /// The mask given, or one beside the image.
    var maskFile: String? { mask ?? files.mask }

    /// The gradient deviations given, or those beside the image.
    var deviationFile: String? { gradDev == "none" ? nil : gradDev ?? files.gradientDeviation }

    /// The gradient table's files, named or found beside the image; without those that are not there, and none where
    /// the image's header has the table.
    var tableFiles: [String: String] {
        if let scheme = timing.scheme { return ["scheme": scheme] }
        if let grad { return ["grad": grad] }
        let found = files
        if bvals == nil, bvecs == nil {
            if hasOwnTable { return [:] }
            if found.bvals == nil || found.bvecs == nil, let grad = found.grad { return ["grad": grad] }
        }
        var table: [String: String] = [:]
        table["bvals"] = bvals ?? found.bvals
        table["bvecs"] = bvecs ?? found.bvecs
        return table
    }

    /// Every file that is read.
    var allFiles: [String] {
        [dwi] + tableFiles.values + [maskFile, deviationFile].compactMap { $0 }
            + timing.files
    }

    private var ownTable: [[Double]]? {
        guard grad == nil, bvals == nil, bvecs == nil, timing.scheme == nil, VolumeReader.isMRtrix(dwi) else {
            return nil
        }
        return try? VolumeReader(path: dwi).gradients
    }
    private var hasOwnTable: Bool { ownTable != nil }

    /// The frame of the table's vectors.
    var frame: GradientTable.Frame { hasOwnTable || tableFiles["grad"] != nil ? .scanner : .fsl }

    /// The table as its files give it.
    /// - Errors: `InputFailure`, `GradientTableError`.
    func readTable() throws -> GradientTable {
        if let rows = ownTable {
            return GradientTable(
                bValues: rows.map { $0[3] }, vectors: rows.map { SIMD3($0[0], $0[1], $0[2]) }, frame: .scanner)
        }
        let files = tableFiles
        if let scheme = files["scheme"] { return try GradientTable.readScheme(scheme) }
        if let grad = files["grad"] { return try GradientTable.readMRtrix(grad) }
        for (name, suffix, what) in [("bvals", "bval", "b-values"), ("bvecs", "bvec", "directions")]
        where files[name] == nil {
            throw InputFailure.noTable(dwi: dwi, missing: stem + "." + suffix, what: what, option: "--" + name)
        }
        return try GradientTable.readFSL(bvals: files["bvals"]!, bvecs: files["bvecs"]!)
    }

    /// Whether the table's directions point along the fibres of the scan.
    func testDirections(_ series: MaskedSeries, _ acquisition: Acquisition, threads: Int) throws -> OrientationTest {
        try OrientationTest(
            signals: series.values, mask: series.mask, acquisition: acquisition, frame: frame, threads: threads)
    }

    /// The image's grid and its acquisition with directions in the scanner frame. `warn` is told what the user should
    /// know of them.
    func open(warn: (String) -> Void) throws -> (geometry: VolumeGeometry, acquisition: Acquisition) {
        _ = try ScanFiles(image)
        let dwi = self.dwi, geometry = try VolumeReader(path: dwi).geometry
        try MaskedSeries.requireSeries(geometry, path: dwi)
        if dwi != image { warn("\(image) is a folder: \(dwi) is read.") }
        if !geometry.isPlaced {
            guard frame == .fsl else { throw InputFailure.unplaced(dwi: dwi) }
            warn(
                """
                \(dwi) does not say how its axes lie in the scanner (both form codes are 0): x is taken to run from \
                right to left, as FSL does.
                """
            )
        }
        let files = tableFiles, a = geometry.affine
        // Names that are not the image's own are not to be guessed in silence.
        for (name, given) in [("bvals", bvals), ("bvecs", bvecs), ("grad", grad)] {
            guard given == nil, stem != "data", let file = files[name],
                !FilePath.name(of: file).hasPrefix(stem + ".")
            else { continue }
            warn("No --\(name) was given: \(file) is used.")
        }
        let conversion = try FrameConversion(affine3x3: (0..<3).flatMap { r in (0..<3).map { c in a[r, c] } })
        let acquisition: Acquisition
        do {
            var table = try readTable()
            // What is wrong with other files is not the table's fault.
            if timing.ignoreTiming {
                table.timing = nil
            } else if table.timing == nil {
                do {
                    table.timing = try timing.read(volumes: table.bValues.count, sidecar: self.files.sidecar)
                } catch { throw TimingFailure(error: error) }
            }
            acquisition = try table.acquisition(
                conversion: conversion, volumes: geometry.volumeCount, threshold: b0Threshold,
                lengths: scaleByLength ? .scaleByLength : .normalise)
        } catch let error as GradientTableError where !files.values.contains(where: "\(error)".contains) {
            let named = ["scheme", "grad", "bvals", "bvecs"].compactMap { files[$0] }
            throw InputFailure.badTable(files: named.isEmpty ? [dwi] : named, error: error)
        } catch let failure as TimingFailure { throw failure.error }
        if scaleByLength {
            let b = acquisition.bValues.filter { $0 > b0Threshold }
            warn(
                String(
                    format: "--scale-by-length: %d volumes count as b≈0; the others have b from %.0f to %.0f s/mm².",
                    acquisition.unweightedCount, b.min()!, b.max()!))
        }
        return (geometry, acquisition)
    }

    /// The mask given, one beside the image, or a simple one. `warn` is told of the latter two, and what is to be known
    /// of a mask.
    func openMask(_ geometry: VolumeGeometry, _ acquisition: Acquisition, warn: (String) -> Void) throws -> Mask {
        if let maskFile {
            if mask == nil { warn("No --mask was given: \(maskFile) is used.") }
            return try Mask(path: maskFile, matching: geometry, of: dwi, warn: warn)
        }
        let made = try Mask.simple(b0: Volume(meanOf: acquisition.unweightedIndices, in: dwi))
        let better =
            files.possibleMask.map { "if \($0) is this image's, give --mask \($0)" }
            ?? "a proper brain extraction is better"
        warn("No --mask was given: a simple one was made from the b=0 images (\(made.count) voxels); \(better).")
        return made
    }

    /// How gradients deviate in the mask's voxels; nil where no file says so.
    func openDeviation(_ geometry: VolumeGeometry, _ mask: Mask) throws -> GradientDeviation? {
        guard let file = deviationFile else { return nil }
        let own = try VolumeReader(path: file).geometry, a = geometry.affine
        guard Array(own.shape.prefix(3)) == geometry.spatialShape else {
            throw VolumeError.wrongDimensions(
                path: file, shape: own.shape, wanted: "gradient deviations have the image's grid, \(dwi)'s")
        }
        let frame = try FrameConversion(affine3x3: (0..<3).flatMap { r in (0..<3).map { c in a[r, c] } })
        return try GradientDeviation(path: file, mask: mask, frame: frame)
    }
}
