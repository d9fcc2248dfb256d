-- The literal Worker's own tables in D1: those of the reference, the requests on record, and a log.
CREATE TABLE `domain_server_info` (
	`domain` text PRIMARY KEY NOT NULL,
	`authentication_required` integer DEFAULT false NOT NULL,
	`auth_namespace` text,
	`max_membership` integer,
	`device_key_required` integer DEFAULT false NOT NULL,
	`key_rollover_required` integer DEFAULT true NOT NULL,
	`member_count` integer DEFAULT 0 NOT NULL,
	`revision` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_membership` (
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`device_key_thumbprint` text,
	`joined_at` integer NOT NULL,
	`signed_at` integer,
	PRIMARY KEY(`domain`, `machine_guid`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_keys` (
	`domain` text NOT NULL,
	`key_version` integer NOT NULL,
	`public_jwk` text NOT NULL,
	`wrapped_private_jwk` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`domain`, `key_version`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_requests` (
	`domain` text NOT NULL,
	`machine_guid` text NOT NULL,
	`idempotency_key` text NOT NULL,
	`action` text NOT NULL,
	`signed_at` integer,
	`recorded_at` integer NOT NULL,
	PRIMARY KEY(`domain`, `machine_guid`, `idempotency_key`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `domain_log` (
	`domain` text NOT NULL,
	`revision` integer NOT NULL,
	`committed_at` integer NOT NULL,
	`changes` text NOT NULL,
	PRIMARY KEY(`domain`, `revision`)
) STRICT, WITHOUT ROWID;
