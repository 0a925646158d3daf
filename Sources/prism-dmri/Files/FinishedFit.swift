import CommandLineSupport
import Foundation
import Inference
import Reporting
import Volumes

/// A fit's folder as commands find it that go on from a finished fit.
struct FinishedFit {
    let archive: PosteriorArchive
    let provenance: FitProvenance
    let geometry: VolumeGeometry

    init(folder: String) throws {
        if let left = try? FitProvenance(path: folder + "/fit.json"), left.kept == KeptPosterior.none {
            throw FinishedFitError.noPosterior(folder: folder)
        }
        archive = try PosteriorArchive(directory: folder)
        guard FileManager.default.fileExists(atPath: folder + "/fit.json") else {
            throw FinishedFitError.unfinished(folder: folder)
        }
        provenance = try FitProvenance(path: folder + "/fit.json")
        geometry = try Self.geometry(of: provenance, folders: [folder])
        try Self.require(archive.metadata.grid, in: geometry, folder: folder)
    }

    /// Refuses maps of one image beside posteriors of another.
    static func require(_ grid: [Int], in geometry: VolumeGeometry, folder: String) throws {
        guard grid == geometry.spatialShape else {
            throw ReportingError.gridMismatch(directory: folder, archive: grid, image: geometry.spatialShape)
        }
    }

    /// Of what is asked for, what the archive can give; without draws that is told.
    func formats(_ asked: FitOutputs.Formats) -> FitOutputs.Formats {
        guard !archive.metadata.hasDraws else { return asked }
        Terminal.note(
            "warning: \(archive.directory) kept no draws (--keep structures): only maps of structure probabilities are "
                + "written")
        return .ofStructures
    }

    /// The independent estimate of the noise that the fit was held against.
    func noise() throws -> IndependentNoise? {
        try Self.noise(of: archive, geometry: geometry, folders: [archive.directory], origin: provenance.noiseOrigin)
    }

    static func noise(
        of archive: PosteriorArchive, geometry: VolumeGeometry, folders: [String], origin: IndependentNoise.Origin?
    ) throws -> IndependentNoise? {
        let voxels = archive.shards.flatMap { $0.voxels.map(Int.init) }
        guard let origin, !voxels.isEmpty, geometry.spatialShape == archive.metadata.grid else { return nil }
        let mask = Mask(geometry: geometry, indices: voxels)
        for folder in folders {
            if let noise = try FitOutputs.readNoise(directory: folder, mask: mask, origin: origin) { return noise }
        }
        return nil
    }

    /// What the fit left over, where its folder says so.
    func survey() throws -> ResidualSurvey? { try Self.survey(in: archive.directory, grid: archive.metadata.grid) }

    static func survey(in folder: String, grid: [Int]) throws -> ResidualSurvey? {
        let path = folder + "/" + ResidualSurvey.fileName
        return FileManager.default.fileExists(atPath: path) ? try ResidualSurvey(path: path, grid: grid) : nil
    }

    /// The grid that was fitted: from a map beside the fit, from the scan where it is still in its place, or else from
    /// the numbers in fit.json, which lack only what the headers call their codes.
    static func geometry(of provenance: FitProvenance, folders: [String]) throws -> VolumeGeometry {
        for path in folders.map({ $0 + "/quality.nii.gz" }) where FileManager.default.fileExists(atPath: path) {
            return try VolumeReader(path: path).geometry.withTrailing([])
        }
        let affine = provenance.affine.count == 16 ? Affine(rows: Array(provenance.affine[0..<12])) : .identity
        let isSound =
            provenance.grid.count == 3 && provenance.grid.allSatisfy { $0 > 0 } && provenance.affine.count == 16
            && affine.defect == nil
        // A pipe would be waited for.
        let isFile =
            provenance.inputs["dwi"].map { path in
                let attributes = try? FileManager.default.attributesOfItem(
                    atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
                return attributes?[.type] as? FileAttributeType == .typeRegular
            } ?? false
        if isFile, let dwi = provenance.inputs["dwi"],
            let geometry = try? VolumeReader(path: dwi).geometry.withTrailing([]),
            !isSound || (geometry.spatialShape == provenance.grid && geometry.affine == affine)
        {
            return geometry
        }
        guard isSound else { throw FinishedFitError.noGrid(folder: folders.first ?? "") }
        return VolumeGeometry(shape: provenance.grid, affine: affine)
    }
}

enum FinishedFitError: CommandFailure {
    case noGrid(folder: String)
    case unfinished(folder: String)
    case noPosterior(folder: String)

    var exitStatus: ExitStatus { if case .noGrid = self { .badData } else { .missingInput } }

    var description: String {
        switch self {
        case .noGrid(let folder):
            "\(folder)/fit.json holds no usable image grid, and there is no quality.nii.gz beside it; fit again"
        case .noPosterior(let folder):
            "\(folder) kept no posterior (--keep none), so there is nothing to read again; fit again with --keep draws"
        case .unfinished(let folder):
            "\(folder) holds no finished fit (no fit.json); finish it with the command that began it and --resume"
        }
    }
}
