CREATE TABLE `deleted_domains` (
	`domain` text PRIMARY KEY NOT NULL,
	`key_version` integer NOT NULL,
	`revision` integer NOT NULL,
	`member_count` integer NOT NULL,
	`deleted_at` integer NOT NULL,
	`deleted_by` text NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_bans` (
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`device_key_thumbprint` text,
	`reason` text NOT NULL,
	`banned_by` text NOT NULL,
	`banned_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	PRIMARY KEY(`domain`, `machine_guid`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_keys` (
	`domain` text NOT NULL,
	`key_version` integer NOT NULL,
	`public_jwk` text NOT NULL,
	`wrapped_private_jwk` text NOT NULL,
	`key_encryption_kid` text NOT NULL,
	`created_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	PRIMARY KEY(`domain`, `key_version`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_keys_by_key_encryption` ON `domain_keys` (`key_encryption_kid`,`domain`);--> statement-breakpoint
CREATE TABLE `domain_membership` (
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`device_key_thumbprint` text,
	`joined_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	`signed_at` integer,
	`subject_hash` text,
	`sealed_name` text,
	PRIMARY KEY(`domain`, `machine_guid`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `domain_membership_by_device` ON `domain_membership` (`machine_guid`);--> statement-breakpoint
CREATE TABLE `domain_server_info` (
	`domain` text PRIMARY KEY NOT NULL,
	`authentication_required` integer DEFAULT 0 NOT NULL,
	`auth_namespace` text,
	`max_membership` integer,
	`device_key_required` integer DEFAULT 0 NOT NULL,
	`rollover_interval_seconds` integer,
	`retire_after_days` integer,
	`max_membership_per_subject` integer,
	`owner_subject` text,
	`when_full` text DEFAULT 'refuse' NOT NULL,
	`min_idle_days` integer DEFAULT 30 NOT NULL,
	`member_idle_days` integer,
	`delete_after_empty_days` integer,
	`key_rollover_required` integer DEFAULT 1 NOT NULL,
	`member_count` integer DEFAULT 0 NOT NULL,
	`retired_up_to` integer DEFAULT 0 NOT NULL,
	`revision` integer DEFAULT 1 NOT NULL,
	`head` text,
	`created_at` integer DEFAULT (unixepoch() * 1000) NOT NULL,
	`updated_at` integer DEFAULT (unixepoch() * 1000) NOT NULL
) STRICT, WITHOUT ROWID;
