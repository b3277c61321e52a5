/** What is kept beside the queue and the records: contents of files, and bodies of requests. */
import type { RequestBodies } from '../ports/queue/request-bodies.ts';
import type { FileContents } from '../ports/tasks/file-contents.ts';
import { DirectoryBodies } from './directory-bodies.ts';
import { DirectoryFiles } from './directory-files.ts';
import { S3Bodies } from './s3-bodies.ts';
import { S3Bucket, type S3Options } from './s3-bucket.ts';
import { S3Files } from './s3-files.ts';

export interface ContentStores {
  readonly contents: FileContents;
  readonly bodies: RequestBodies;
}

/** @param bucket null: everything is kept in the directory. @throws ConnectError when the bucket cannot be used. */
export async function openStores(
  directory: string,
  bucket: S3Options | null,
  region: string,
): Promise<ContentStores> {
  if (bucket === null)
    return { contents: new DirectoryFiles(directory), bodies: new DirectoryBodies(directory, region) };
  const connected = await S3Bucket.connect(bucket);
  return { contents: new S3Files(connected), bodies: new S3Bodies(connected, region) };
}
