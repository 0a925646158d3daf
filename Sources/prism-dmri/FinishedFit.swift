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
        archive = try PosteriorArchive(directory: folder)
        provenance = try FitProvenance(path: folder + "/fit.json")
        geometry = try Self.geometry(of: provenance, folders: [folder])
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

    /// The grid that was fitted: from a map beside the fit, from the scan where it is still in its place, or else from the numbers in fit.json, which
    /// lack only what the headers call their codes.
    static func geometry(of provenance: FitProvenance, folders: [String]) throws -> VolumeGeometry {
        for path in folders.map({ $0 + "/quality.nii.gz" }) where FileManager.default.fileExists(atPath: path) {
            return try VolumeReader(path: path).geometry.withTrailing([])
        }
        let affine = provenance.affine.count == 16 ? Affine(rows: Array(provenance.affine[0..<12])) : .identity
        let isSound = provenance.grid.count == 3 && provenance.grid.allSatisfy { $0 > 0 } && provenance.affine.count == 16 && affine.defect == nil
        if let dwi = provenance.inputs["dwi"], let geometry = try? VolumeReader(path: dwi).geometry.withTrailing([]),
            !isSound || (geometry.spatialShape == provenance.grid && geometry.affine == affine)
        {
            return geometry
        }
        guard isSound else { throw FinishedFitError.noGrid(folder: folders.first ?? "") }
        return VolumeGeometry(shape: provenance.grid, affine: affine)
    }

    /// Refuses to write over a fit that is being read.
    static func requireOther(_ out: String, than folders: [String]) throws {
        func place(_ path: String) -> String { URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath().path }
        if let same = folders.first(where: { place($0) == place(out) }) { throw FinishedFitError.inPlace(folder: same) }
    }
}

enum FinishedFitError: CommandFailure {
    case noGrid(folder: String)
    case inPlace(folder: String)

    var exitStatus: ExitStatus { if case .noGrid = self { .badData } else { .cannotCreate } }

    var description: String {
        switch self {
        case .noGrid(let folder): "\(folder)/fit.json holds no usable image grid, and there is no quality.nii.gz beside it; fit again"
        case .inPlace(let folder): "\(folder) is read and cannot be --out as well; choose another folder"
        }
    }
}
