"""The SFTP door: any SFTP client, over the same core as every other way in."""
